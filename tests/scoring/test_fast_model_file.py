"""The fast model in a model folder: read without scikit-learn, exact, and never another model's."""

import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline

from lib.backends import model_files
from lib.scoring.calibrated_classifier import CalibratedClassifier
from lib.scoring.calibrators import BinaryCurve
from lib.scoring.decision_classifier import with_rule
from lib.scoring.decision_rules import CostRule, ThresholdRule
from lib.scoring.fast_model.file import read_fast_model
from lib.scoring.scorer import Scorer
from lib.training.features import TableEncoder

ROWS = 300
SCRIPT = """
import json, sys
from lib.scoring.scorer import Scorer

scorer = Scorer.from_folder(sys.argv[1])
print(json.dumps([scorer.engine, scorer.score(sys.stdin.read()), sorted(sys.modules)]))
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


def save(folder, last, calibrator=None):
    rows = table()
    pipeline = Pipeline([("encoder", TableEncoder("trees", True, 0)), ("model", last)])
    pipeline.fit(rows, np.where(rows["size"].fillna(1) > 0, "late", "on time"))
    if calibrator:
        pipeline.steps[-1] = ("model", CalibratedClassifier(last, calibrator))
    model_files.save(pipeline, folder, rows.head(20), rows)
    model_files.add_fast_model(pipeline, folder)
    return pipeline


@pytest.fixture(params=[False, True], ids=["as trained", "calibrated"])
def folder(request, tmp_path):
    curve = BinaryCurve(np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.3, 0.9])) if request.param else None
    save(tmp_path / "model", HistGradientBoostingClassifier(max_iter=10, random_state=0), curve)
    return tmp_path / "model"


@pytest.fixture
def without_code(folder):
    """Return the model folder without its code."""
    shutil.rmtree(folder / "code")
    return folder


def request_body(rows):
    records = rows.assign(when=rows["when"].map(pd.Timestamp.isoformat)).astype(object)
    return json.dumps({"data": records.where(records.notna(), None).to_dict("records")})


def test_start_needs_neither_scikit_learn_nor_pandas(folder):
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(folder / "code")}
    ran = subprocess.run(command, input=request_body(table()), capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    engine, answer, modules = json.loads(ran.stdout)
    model = model_files.load(folder)
    assert engine == "fast" and not {"sklearn", "pandas", "scipy", "pyarrow"} & set(modules)
    assert answer["predictions"] == model.predict(table()).tolist()
    assert answer["probabilities"] == model.predict_proba(table()).tolist()


@pytest.mark.parametrize("rule", [ThresholdRule(0, 0.1, "recall:0.8", (0.05, 0.2)), CostRule(((0, 1), (20, 0)))])
def test_decision_rule_is_part_of_the_fast_model(tmp_path, rule):
    rows = table()
    plain = save(tmp_path / "plain", HistGradientBoostingClassifier(max_iter=10, random_state=0))
    model = with_rule(plain, rule)
    model_files.save(model, tmp_path / "model", rows.head(20), rows)
    model_files.add_fast_model(model, tmp_path / "model")
    scorer = Scorer.from_folder(tmp_path / "model")
    answer = scorer.score(request_body(rows))
    assert scorer.engine == "fast" and scorer.model.estimator is None
    assert answer["predictions"] == model.predict(rows).tolist() != plain.predict(rows).tolist()
    assert answer["probabilities"] == plain.predict_proba(rows).tolist()
    single = [scorer.score(request_body(rows[row : row + 1]))["predictions"][0] for row in range(20)]
    assert single == answer["predictions"][:20]


def test_fast_model_of_another_model_is_not_used(without_code):
    columns = Scorer.from_folder(without_code).model.columns
    assert read_fast_model(without_code, columns) is not None
    same = pickle.dumps(model_files.load(without_code), protocol=2)
    (without_code / "model.pkl").write_bytes(same)
    assert read_fast_model(without_code, columns) is None
    assert Scorer.from_folder(without_code).score(request_body(table()))["predictions"]  # the model answers


def test_fast_model_of_another_numpy_is_not_used(without_code, caplog):
    caplog.set_level("INFO")
    description = json.loads((without_code / "fast_model.json").read_text())
    (without_code / "fast_model.json").write_text(json.dumps({**description, "numpy": "1.0"}))
    assert Scorer.from_folder(without_code).engine == "fast"  # built again from the model
    assert "is not used" in caplog.text and "numpy 1.0 instead of" in caplog.text


def test_fast_model_is_not_saved_if_it_starts_no_faster(tmp_path, caplog):
    caplog.set_level("INFO")
    save(tmp_path / "model", RandomForestClassifier(5))
    assert not list((tmp_path / "model").glob("fast_model*"))
    assert "No fast model is saved: its last step is run by scikit-learn" in caplog.text
