"""Fixtures and settings shared by all tests."""

import json
import shutil
from pathlib import Path

import hypothesis
import pytest

from tests.once import build_once

pytest_plugins = ["tests.served_models", "tests.custom_folder"]

hypothesis.settings.register_profile("thorough", max_examples=1000)
# The slowest files start first, so that no worker is left running one of them alone at the end.
LONGEST = ("test_chain.py", "test_engine.py", "test_rollout.py", "test_running.py", "test_terraform.py")
# On a busy machine. Other tests have the limit of pyproject.toml.
SLOW_TEST_SECONDS = 1800


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TEST_SECONDS))


@pytest.fixture(scope="session")
def empty_workspace(tmp_path_factory):
    """Return a workspace with an empty MLflow database; creating the database takes seconds."""
    from lib.backends.tracking import Tracking

    def make(folder):
        folder.mkdir()
        Tracking(f"sqlite:///{folder / 'mlflow.db'}").client.search_experiments()

    return build_once(tmp_path_factory, "empty", make)


@pytest.fixture
def workspace(empty_workspace, tmp_path):
    """Return a workspace for a single test."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    shutil.copy(empty_workspace / "mlflow.db", folder)
    return folder


@pytest.fixture
def record_of():
    """Return a function that returns the record and the folder of the newest run in a runs folder."""

    def read(runs_folder):
        newest = max(filter(Path.is_dir, Path(runs_folder).iterdir()), key=lambda folder: folder.stat().st_mtime_ns)
        return json.loads((newest / "run.json").read_text()), newest

    return read
