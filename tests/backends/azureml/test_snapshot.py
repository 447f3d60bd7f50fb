"""The folder of a cluster job: it holds all that its notebook needs, because a job sees nothing else of the project."""

import json
import subprocess
import sys

from lib.backends.azureml import snapshot
from lib.paths import ROOT

SAVE_A_MODEL = """
import os
from pathlib import Path
import pandas as pd
import lib
from lib import metrics
from lib.backends import model_files
from lib.training import TrainingRequest, linear

assert lib.__file__.startswith(os.getcwd())
X, y = pd.DataFrame({"city": ["Oslo", "Rome"] * 4}), pd.Series(["cold", "warm"] * 4)
model = linear.train(X, y, TrainingRequest("binary", metrics.get("accuracy", "binary"), seed=0, threads=1))
model_files.save(model, Path("model"), X.head(1), X)
"""


def test_it_holds_the_notebook_and_its_parameters(tmp_path):
    notebook = ROOT / "notebooks" / "03_train.ipynb"
    snapshot.pack(tmp_path, notebook, "03_train-linear.ipynb", {"seed": 1, "options": {"a": [1]}})
    assert json.loads((tmp_path / "job.json").read_text()) == {
        "notebook": "notebooks/03_train.ipynb",
        "executed": "03_train-linear.ipynb",
        "parameters": {"seed": 1, "options": {"a": [1]}},
    }
    assert (tmp_path / "notebooks" / "03_train.ipynb").read_bytes() == notebook.read_bytes()
    for name in (
        "lib/backends/azureml/notebook_job.py",
        "lib/training/linear.py",
        "parameters/base.yaml",
        "environment.yml",
    ):
        assert (tmp_path / name).is_file()
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_job_can_train_and_save_a_model_in_it(tmp_path):
    snapshot.pack(tmp_path, ROOT / "notebooks" / "03_train.ipynb", "03_train-linear.ipynb", {})
    job = subprocess.run(
        [sys.executable, "-c", SAVE_A_MODEL], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert job.returncode == 0, job.stderr
    assert (tmp_path / "model" / "MLmodel").is_file()
