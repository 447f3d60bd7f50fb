"""A model that only jobs can load: one job per set of rows, in a self-contained folder."""

import json
import subprocess
import sys

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

pytest.importorskip("azure.ai.ml", reason='needs make install GROUPS="azure"')

from lib import metrics
from lib.backends import model_files
from lib.backends.azureml import environment, scoring_job, snapshot
from lib.backends.azureml.remote_model import MARKER_FILE, RemoteModel, is_remote

ROWS = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
LABELS = ["no", "no", "yes", "yes"]


@pytest.fixture
def folder(tmp_path):
    """Save a model folder like those of AutoML."""
    model = LogisticRegression().fit(ROWS, LABELS)
    signature = mlflow.models.infer_signature(ROWS, model.predict(ROWS))
    mlflow.sklearn.save_model(
        model, str(tmp_path / "model"), signature=signature, serialization_format="cloudpickle", pip_requirements=[]
    )
    (tmp_path / "model" / MARKER_FILE).write_text("{}")
    model_files.add_code(tmp_path / "model")
    return tmp_path / "model"


class CountingJobs:
    """Scoring jobs that return fixed results and count their calls."""

    def __init__(self):
        self.calls = 0

    def score(self, folder, X):
        self.calls += 1
        probabilities = [[0.8, 0.2]] * len(X)
        return {"predictions": ["no"] * len(X), "probabilities": probabilities, "classes": ["no", "yes"]}


def test_the_same_rows_are_scored_once(folder):
    jobs = CountingJobs()
    model = RemoteModel(folder, jobs)
    result = metrics.predict(model, ROWS, "binary", "yes")
    assert list(result.labels) == ["no"] * 4 and result.probabilities.shape == (4, 2) and result.positive_class == "yes"
    assert jobs.calls == 1
    model.predict(ROWS.head(2))
    assert jobs.calls == 2


def test_a_job_predicts_like_the_model_with_only_its_folder(folder, tmp_path):
    job_folder = tmp_path / "snapshot"
    job_folder.mkdir()
    snapshot.pack_scoring(job_folder, folder, scoring_job.MODEL)
    ROWS.to_parquet(job_folder / scoring_job.ROWS)
    subprocess.run([sys.executable, "-S", "-c", RUN, *sys.path], cwd=job_folder, check=True, timeout=250)
    answer = json.loads((job_folder / scoring_job.OUTPUT).read_text())
    model = mlflow.sklearn.load_model(str(folder))
    assert answer["predictions"] == list(model.predict(ROWS)) and answer["classes"] == ["no", "yes"]
    assert np.allclose(answer["probabilities"], model.predict_proba(ROWS))


# Runs the job with the packages of this environment, but without this checkout.
RUN = """
import sys
sys.path[:] = [""] + [path for path in sys.argv[1:] if "site-packages" in path or "lib/python" in path]
import runpy, lib
assert lib.__file__.startswith(__import__("os").getcwd()), lib.__file__
runpy.run_path("scoring_job.py", run_name="__main__")
"""


def test_the_marker_file_identifies_remote_models(folder, tmp_path):
    assert is_remote(folder) and not is_remote(tmp_path)


@pytest.mark.parametrize(
    ("dependencies", "added"),
    [
        (["python=3.10", {"pip": ["azureml-train-automl-runtime==1.62.0"]}], True),
        (["python=3.10"], True),
        (["python=3.10", {"pip": ["azureml-defaults==1.62.0"]}], False),
    ],
)
def test_the_models_environment_gets_an_inference_server(folder, monkeypatch, dependencies, added):
    (folder / "conda.yaml").write_text(yaml.safe_dump({"name": "automl", "dependencies": dependencies}))
    monkeypatch.setattr(
        environment, "_get_or_register_conda", lambda workspace, name, text: (name, yaml.safe_load(text))
    )
    name, conda = environment.for_model(None, folder)
    assert name == "millrace-model" and conda["dependencies"][0] == "python=3.10"
    assert ("azureml-inference-server-http" in conda["dependencies"][-1].get("pip", [])) is added
