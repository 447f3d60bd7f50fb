"""The checks of the setup stage."""

import re

import pytest

from lib.errors import DataError, StageError
from lib.stages import setup
from tests import workspaces
from tests.workspaces import NAME, pipeline_in, versions_of

# Fixtures.
copy_after = workspaces.copy_after
with_champion = workspaces.with_champion

CHECKS = [
    "Python",
    "packages",
    "workspace",
    "tracking store",
    "model registry",
    "data store",
    "compute",
    "model",
    "table",
    "endpoint",
]


def run_setup(workspace, **changes):
    """Return the table of checks."""
    return pipeline_in(workspace, **changes).setup().table


def test_all_checks_pass_in_an_empty_workspace(workspace):
    table = run_setup(workspace)
    assert list(table.index) == CHECKS
    assert (table["state"] == "ok").all()
    assert all(table["result"])


def test_installed_packages_match_the_lock(workspace):
    assert re.fullmatch(r"\d+ checked, all as in requirements\.lock", run_setup(workspace).loc["packages", "result"])


def test_first_run_reports_no_version_and_no_endpoint(workspace):
    table = run_setup(workspace)
    assert table.loc["model", "result"] == f"{NAME}: 0 versions, none in production."
    assert table.loc["endpoint", "result"].startswith(f"{NAME}: ")
    assert table.loc["endpoint", "result"].endswith("the deploy stage starts it")


def test_production_version_is_reported(with_champion):
    assert "1 version, version 1 in production" in run_setup(with_champion).loc["model", "result"]


def test_setup_completes_an_interrupted_promotion(with_champion):
    pipeline = pipeline_in(with_champion)
    client = pipeline.backend.tracking.client
    client.set_registered_model_tag(NAME, "moving_production_to", "1")
    client.delete_model_version_tag(NAME, "1", "production")
    assert (
        "promotion of version 1 was interrupted. It is complete now" in run_setup(with_champion).loc["model", "result"]
    )
    assert versions_of(pipeline) == (["1"], "1")


def test_missing_table_raises_data_error(workspace):
    with pytest.raises(DataError, match=r"There is no file .*nowhere\.csv"):
        run_setup(workspace, data=str(workspace / "nowhere.csv"))


def test_missing_package_raises_with_the_install_command(workspace, monkeypatch):
    monkeypatch.setattr(setup, "_PACKAGES", ("pandas", "no-such-package"))
    with pytest.raises(StageError, match="packages: missing: no-such-package. Run `make run`"):
        run_setup(workspace)


def test_version_other_than_locked_is_reported_but_passes(workspace, monkeypatch):
    monkeypatch.setattr(setup.importlib.metadata, "version", lambda name: "0.0.1")
    table = run_setup(workspace)
    assert "pandas 0.0.1 (locked: " in table.loc["packages", "result"]
    assert table.loc["packages", "state"] == "ok"
