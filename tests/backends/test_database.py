"""MLflow's database is made whole, or not at all."""

import signal
import subprocess
import sys

from mlflow import MlflowClient

from lib.backends.local import database
from lib.paths import ROOT

# Dies when the first tables are there and the migrations are to follow.
KILLED = """
import os, signal, sys
from pathlib import Path
from mlflow.store.db import utils
from lib.backends.local import database
utils._upgrade_db = lambda engine: os.kill(os.getpid(), signal.SIGKILL)
database.ensure_database(Path(sys.argv[1]), "file:///artifacts")
"""


def test_one_that_was_killed_while_it_was_made_is_made_anew(tmp_path):
    path = tmp_path / "mlflow.db"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists() and path.with_suffix(".part").stat().st_size > 0
    uri = database.ensure_database(path, (tmp_path / "artifacts").as_uri())
    assert [one.name for one in MlflowClient(uri, uri).search_experiments()] == ["Default"]
    assert not path.with_suffix(".part").exists()
    before = path.stat().st_mtime_ns
    assert database.ensure_database(path, "file:///elsewhere") == uri and path.stat().st_mtime_ns == before
