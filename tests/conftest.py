"""What every test may use."""

import json
import shutil
from pathlib import Path

import hypothesis
import pytest

from tests.once import made_once

pytest_plugins = ["tests.served_models"]

hypothesis.settings.register_profile("thorough", max_examples=1000)
# Files whose tests take longest: begun first, so that at the end no worker is left alone with one of them.
LONGEST = ("test_chain.py", "test_engine.py", "test_rollout.py", "test_running.py", "test_terraform.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def empty_workspace(tmp_path_factory):
    """A workspace whose MLflow database is made and empty: its migrations take seconds, a copy takes none."""
    from lib.backends.tracking import Tracking

    def make(folder):
        folder.mkdir()
        Tracking(f"sqlite:///{folder / 'mlflow.db'}").client.search_experiments()

    return made_once(tmp_path_factory, "empty", make)


@pytest.fixture
def workspace(empty_workspace, tmp_path):
    """A workspace of the test's own."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    shutil.copy(empty_workspace / "mlflow.db", folder)
    return folder


@pytest.fixture
def record_of():
    """Record of the newest run in a runs folder."""

    def read(runs_folder):
        newest = max(Path(runs_folder).iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
        return json.loads((newest / "run.json").read_text()), newest

    return read
