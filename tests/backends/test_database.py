"""MLflow's database is created completely, or not at all."""

import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys

import mlflow
import pytest
import sqlalchemy
from mlflow import MlflowClient

from lib.backends.local import database
from lib.backends.local.backend import LocalBackend
from lib.backends.models import ModelRegistry
from lib.backends.tracking import Tracking
from lib.errors import StorageError
from lib.parameters import Parameters, load
from lib.paths import ROOT

# The process is killed after the first tables are created, before the migrations.
KILLED_SCRIPT = """
import os, signal, sys
from pathlib import Path
from mlflow.store.db import utils
from lib.backends.local import database
from lib.backends.local.backend import LocalBackend
utils._upgrade_db = lambda engine: os.kill(os.getpid(), signal.SIGKILL)
database.ensure_database(Path(sys.argv[1]), "file:///artifacts")
"""


@pytest.mark.slow
def test_an_interrupted_creation_starts_over(tmp_path):
    path = tmp_path / "mlflow.db"
    killed = subprocess.run([sys.executable, "-c", KILLED_SCRIPT, str(path)], cwd=ROOT, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists() and path.with_suffix(".part").stat().st_size > 0
    uri = database.ensure_database(path, (tmp_path / "artifacts").as_uri())
    assert [experiment.name for experiment in MlflowClient(uri, uri).search_experiments()] == ["Default"]
    assert not path.with_suffix(".part").exists()
    modified = path.stat().st_mtime_ns
    assert (
        database.ensure_database(path, (tmp_path / "artifacts").as_uri()) == uri and path.stat().st_mtime_ns == modified
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Return a workspace with a run that has an artifact, an output and a model version."""
    folder = tmp_path_factory.mktemp("original") / "work space"
    folder.mkdir()
    tracking = open_tracking(folder)
    with tracking.run("shop", "preprocess", "preprocess", {}) as run_id:
        mlflow.log_text("a", "a.txt")
    table = folder / "data" / "train.parquet"
    tracking.log_outputs(run_id, {"train_data": table.as_uri(), "tables": [table.as_uri()]})
    source = f"{tracking.client.get_run(run_id).info.artifact_uri}/model"
    ModelRegistry(tracking.client, "shop").register(run_id, source, "0" * 64, {})
    return folder


def open_tracking(folder):
    artifacts = (folder / "artifacts").as_uri()
    return Tracking(database.ensure_database(folder / "mlflow.db", artifacts), artifacts)


def list_files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def check_uris(folder, tracking):
    experiment = tracking.client.get_experiment_by_name("shop")
    (run,) = tracking.client.search_runs([experiment.experiment_id], "attributes.run_name = 'preprocess'")
    (version,) = ModelRegistry(tracking.client, "shop").versions()
    place = f"{folder.as_uri()}/"
    table = f"{place}data/train.parquet"
    assert experiment.artifact_location.startswith(place) and run.info.artifact_uri.startswith(place)
    assert version.source.startswith(place)
    assert tracking.newest_output("shop", "preprocess", "train_data") == table
    assert tracking.newest_output("shop", "preprocess", "tables") == [table]


def test_a_copied_workspace_never_writes_to_the_original(workspace, tmp_path):
    copied = tmp_path / "copy"
    shutil.copytree(workspace, copied)
    before = list_files(workspace)
    tracking = open_tracking(copied)
    check_uris(copied, tracking)
    for experiment in ("shop", "new"):
        with tracking.run(experiment, "train", "linear", {}):
            mlflow.log_text("b", f"{experiment}.txt")
    assert list_files(workspace) == before
    assert {path.name for path in copied.rglob("*.txt")} == {"a.txt", "shop.txt", "new.txt"}
    check_uris(workspace, open_tracking(workspace))


def test_a_moved_workspace_works_at_its_new_place(workspace, tmp_path):
    first, second = tmp_path / "shop", tmp_path / "shop-2"
    shutil.copytree(workspace, first)
    check_uris(first, open_tracking(first))
    first.rename(second)
    check_uris(second, open_tracking(second))
    (artifact,) = second.rglob("a.txt")
    run_id = artifact.parts[-3]
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/a.txt") == "a"


def test_a_link_to_the_workspace_changes_nothing(workspace, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(workspace)
    check_uris(workspace, open_tracking(link))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"", r"mlflow.db is empty \(0 bytes\), so its runs and model versions are lost"),
        (lambda whole: whole[:100], "The file is damaged"),
        (lambda whole: whole[:4096] + bytes(len(whole) - 4096), "The file is damaged"),
        (lambda whole: b"text" * 2000, "The file is damaged"),
    ],
    ids=["empty", "cut", "zeros", "text"],
)
def test_a_damaged_database_is_not_taken_for_a_new_one(workspace, tmp_path, content, message):
    path = tmp_path / "mlflow.db"
    path.write_bytes(content((workspace / "mlflow.db").read_bytes()))
    before = path.read_bytes()
    with pytest.raises(StorageError, match=message):
        database.ensure_database(path, tmp_path.as_uri())
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (number)")
    with pytest.raises(StorageError, match="not a database of MLflow"):
        database.ensure_database(path, tmp_path.as_uri())


def test_a_locked_database_is_one_sentence(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "TIMEOUT_SECONDS", 0)
    path = tmp_path / "mlflow.db"
    shutil.copy(workspace / "mlflow.db", path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="Another program has locked it"):
            database.ensure_database(path, tmp_path.as_uri())


@pytest.mark.parametrize("name", ["100%41", "what?", "a {b} {}", "50%", "Süd #1", "it's; a & b"])
def test_a_workspace_may_have_any_name(workspace, tmp_path, name):
    folder = tmp_path / name
    shutil.copytree(workspace, folder)
    tracking = open_tracking(folder)
    assert len(tracking.client.search_model_versions("name = 'shop'")) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_new_database_is_created_at_its_path(tmp_path, monkeypatch):
    addresses = []

    class Store:
        def __init__(self, address, artifact_root):
            addresses.append(sqlalchemy.engine.make_url(address).database)
            self.engine = sqlalchemy.create_engine(address)
            self.engine.connect().close()

    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore", Store)
    folder = tmp_path / "100%41 what?"
    folder.mkdir()
    database.ensure_database(folder / "mlflow.db", folder.as_uri())
    assert addresses == [str(folder / "mlflow.part")]
    assert (folder / "mlflow.db").exists()


def test_a_folder_in_place_of_the_database_is_named(tmp_path):
    (tmp_path / "mlflow.db").mkdir()
    with pytest.raises(StorageError, match="mlflow.db is a folder"):
        database.ensure_database(tmp_path / "mlflow.db", tmp_path.as_uri())


def test_a_database_of_another_mlflow_is_one_sentence(workspace, tmp_path):
    shutil.copytree(workspace, tmp_path, dirs_exist_ok=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
    backend = LocalBackend(Parameters({**load([]).values, "workspace": str(tmp_path)}))
    with pytest.raises(StorageError, match="belongs to another version of MLflow.*mlflow db upgrade sqlite"):
        _ = backend.tracking


def test_errors_name_the_database(workspace, tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"text" * 2000)
    with pytest.raises(StorageError, match="^.*mlflow.db cannot be used"):
        database.ensure_database(tmp_path / "mlflow.db", tmp_path.as_uri())
