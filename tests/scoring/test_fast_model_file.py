"""The compiled form kept beside a model: read without scikit-learn, with the same answers, and never another's."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline

import lib
from lib.backends import model_files
from lib.scoring.fast_model import file
from lib.scoring.scorer import Scorer
from lib.training.features import TableEncoder

ROWS = 300
SCRIPT = """
import json, sys
from lib.scoring.scorer import Scorer

scorer = Scorer.from_folder(sys.argv[1])
print(json.dumps([scorer.form, scorer.score(sys.stdin.read()), sorted(sys.modules)]))
"""


def table():
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": np.where(random.random(ROWS) < 0.1, np.nan, random.normal(size=ROWS)),
            "place": random.choice([f"p{at}" for at in range(40)], ROWS),
            "when": pd.date_range("2024-01-01", periods=ROWS, freq="h"),
        }
    )


def saved(folder, last):
    rows = table()
    pipeline = Pipeline([("encoder", TableEncoder("trees", True, 0)), ("model", last)])
    pipeline.fit(rows, np.where(rows["size"].fillna(1) > 0, "late", "on time"))
    model_files.save(pipeline, folder, rows.head(20), rows)
    model_files.add_fast_model(pipeline, folder)
    return pipeline


@pytest.fixture
def folder(tmp_path):
    saved(tmp_path / "model", HistGradientBoostingClassifier(max_iter=10, random_state=0))
    return tmp_path / "model"


@pytest.fixture
def without_code(folder):
    """Without the code beside it, which would take the place of `lib` in this very process."""
    shutil.rmtree(folder / "code")
    return folder


def asked(rows):
    records = rows.assign(when=rows["when"].map(pd.Timestamp.isoformat)).astype(object)
    return json.dumps({"data": records.where(records.notna(), None).to_dict("records")})


def test_a_start_needs_neither_scikit_learn_nor_pandas_and_answers_are_the_model_s_to_the_last_bit(folder):
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    root = Path(lib.__file__).parents[1]
    ran = subprocess.run(
        command, input=asked(table()), capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert ran.returncode == 0, ran.stderr
    form, answer, modules = json.loads(ran.stdout)
    own = model_files.load(folder)
    assert form == "fast" and not {"sklearn", "pandas", "scipy"} & set(modules)
    assert answer["predictions"] == own.predict(table()).tolist()
    assert answer["probabilities"] == own.predict_proba(table()).tolist()


def test_a_form_of_another_model_is_not_used(without_code):
    columns = Scorer.from_folder(without_code).model.columns
    assert file.read(without_code, columns) is not None
    same = pickle.dumps(model_files.load(without_code), protocol=2)
    (without_code / "model.pkl").write_bytes(same)
    assert file.read(without_code, columns) is None
    assert Scorer.from_folder(without_code).score(asked(table()))["predictions"]  # by the model


def test_a_form_made_with_another_numpy_is_not_used_and_it_is_said(without_code, caplog):
    caplog.set_level("INFO")
    said = json.loads((without_code / "fast_model.json").read_text())
    (without_code / "fast_model.json").write_text(json.dumps({**said, "numpy": "1.0"}))
    assert Scorer.from_folder(without_code).form == "fast"  # made anew, of the model
    assert "is not used" in caplog.text and "numpy 1.0 instead of" in caplog.text


def test_what_starts_no_faster_is_not_kept(tmp_path, caplog):
    caplog.set_level("INFO")
    saved(tmp_path / "model", RandomForestClassifier(5))
    assert not list((tmp_path / "model").glob("fast_model*"))
    assert "No fast model is saved: its last step is run by scikit-learn" in caplog.text
