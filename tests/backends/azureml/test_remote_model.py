"""A model that nothing here may open: asked once for the same rows, in a folder of a job that has all it needs."""

import json
import subprocess
import sys

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

pytest.importorskip("azureml.core", reason='needs make install GROUPS="azure"')

from lib import metrics
from lib.backends import model_files
from lib.backends.azureml import environment, scoring_job, snapshot
from lib.backends.azureml.remote_model import MARK, RemoteModel, is_remote

ROWS = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
LABELS = ["no", "no", "yes", "yes"]


@pytest.fixture
def folder(tmp_path):
    """Model folder as AutoML leaves one."""
    model = LogisticRegression().fit(ROWS, LABELS)
    signature = mlflow.models.infer_signature(ROWS, model.predict(ROWS))
    mlflow.sklearn.save_model(
        model, str(tmp_path / "model"), signature=signature, serialization_format="cloudpickle", pip_requirements=[]
    )
    (tmp_path / "model" / MARK).write_text("{}")
    model_files.add_code(tmp_path / "model")
    return tmp_path / "model"


class Jobs:
    """Answers as jobs do, and counts."""

    def __init__(self):
        self.asked = 0

    def answer(self, folder, X):
        self.asked += 1
        chances = [[0.8, 0.2]] * len(X)
        return {"predictions": ["no"] * len(X), "probabilities": chances, "classes": ["no", "yes"]}


def test_it_stands_where_an_estimator_would_and_asks_once_for_the_same_rows(folder):
    jobs = Jobs()
    model = RemoteModel(folder, jobs)
    found = metrics.predict(model, ROWS, "binary", "yes")
    assert list(found.labels) == ["no"] * 4 and found.probabilities.shape == (4, 2) and found.positive_class == "yes"
    assert jobs.asked == 1
    model.predict(ROWS.head(2))
    assert jobs.asked == 2


def test_the_job_answers_as_the_model_does_with_nothing_but_its_folder(folder, tmp_path):
    place = tmp_path / "snapshot"
    place.mkdir()
    snapshot.pack_scoring(place, folder, scoring_job.MODEL)
    ROWS.to_parquet(place / scoring_job.ROWS)
    subprocess.run([sys.executable, "-S", "-c", RUN, *sys.path], cwd=place, check=True, timeout=250)
    answer = json.loads((place / scoring_job.OUTPUT).read_text())
    model = mlflow.sklearn.load_model(str(folder))
    assert answer["predictions"] == list(model.predict(ROWS)) and answer["classes"] == ["no", "yes"]
    assert np.allclose(answer["probabilities"], model.predict_proba(ROWS))


# With this environment's packages and none of this checkout.
RUN = """
import sys
sys.path[:] = [""] + [one for one in sys.argv[1:] if "site-packages" in one or "lib/python" in one]
import runpy, lib
assert lib.__file__.startswith(__import__("os").getcwd()), lib.__file__
runpy.run_path("scoring_job.py", run_name="__main__")
"""


def test_a_folder_is_known_by_its_mark(folder, tmp_path):
    assert is_remote(folder) and not is_remote(tmp_path)


@pytest.mark.parametrize(
    ("dependencies", "added"),
    [
        (["python=3.10", {"pip": ["azureml-train-automl-runtime==1.62.0"]}], True),
        (["python=3.10"], True),
        (["python=3.10", {"pip": ["azureml-defaults==1.62.0"]}], False),
    ],
)
def test_its_environment_is_its_own_with_a_server(folder, monkeypatch, dependencies, added):
    (folder / "conda.yaml").write_text(yaml.safe_dump({"name": "automl", "dependencies": dependencies}))
    monkeypatch.setattr(environment, "_register_conda", lambda workspace, name, text: (name, yaml.safe_load(text)))
    name, conda = environment.for_model(None, folder)
    assert name == "millrace-model" and conda["dependencies"][0] == "python=3.10"
    assert ("azureml-inference-server-http" in conda["dependencies"][-1].get("pip", [])) is added
