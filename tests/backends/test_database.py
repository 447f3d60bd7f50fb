"""MLflow's database is created completely, or not at all."""

import signal
import subprocess
import sys

from mlflow import MlflowClient

from lib.backends.local import database
from lib.paths import ROOT

# The process is killed after the first tables are created, before the migrations.
KILLED_SCRIPT = """
import os, signal, sys
from pathlib import Path
from mlflow.store.db import utils
from lib.backends.local import database
utils._upgrade_db = lambda engine: os.kill(os.getpid(), signal.SIGKILL)
database.ensure_database(Path(sys.argv[1]), "file:///artifacts")
"""


def test_an_interrupted_creation_starts_over(tmp_path):
    path = tmp_path / "mlflow.db"
    killed = subprocess.run([sys.executable, "-c", KILLED_SCRIPT, str(path)], cwd=ROOT, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists() and path.with_suffix(".part").stat().st_size > 0
    uri = database.ensure_database(path, (tmp_path / "artifacts").as_uri())
    assert [experiment.name for experiment in MlflowClient(uri, uri).search_experiments()] == ["Default"]
    assert not path.with_suffix(".part").exists()
    modified = path.stat().st_mtime_ns
    assert database.ensure_database(path, "file:///elsewhere") == uri and path.stat().st_mtime_ns == modified
