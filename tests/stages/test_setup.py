"""The table of checks."""

import re

import pytest

from lib.errors import DataError, StageError
from lib.stages import setup
from tests import workspaces
from tests.workspaces import NAME, pipeline_in, versions_of

# Fixtures.
copy_after = workspaces.copy_after
with_champion = workspaces.with_champion

LINES = [
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


def found_in(workspace, **changes):
    return pipeline_in(workspace, **changes).setup().table


def test_a_line_for_each_check_and_all_ok(workspace):
    table = found_in(workspace)
    assert list(table.index) == LINES
    assert (table["state"] == "ok").all()
    assert all(table["found"])


def test_what_is_installed_is_what_is_locked(workspace):
    assert re.fullmatch(r"\d+ looked at, all as locked", found_in(workspace).loc["packages", "found"])


def test_before_the_first_run_nothing_is_in_production(workspace):
    table = found_in(workspace)
    assert table.loc["model", "found"] == f"{NAME}: 0 versions, none in production."
    assert table.loc["endpoint", "found"].startswith(f"{NAME}: ")
    assert table.loc["endpoint", "found"].endswith("a deployment makes it")


def test_what_is_in_production_is_named(with_champion):
    assert "1 versions, version 1 in production" in found_in(with_champion).loc["model", "found"]


def test_a_promotion_that_was_cut_off_is_finished_and_told(with_champion):
    pipeline = pipeline_in(with_champion)
    client = pipeline.backend.tracking.client
    client.set_registered_model_tag(NAME, "moving_production_to", "1")
    client.delete_model_version_tag(NAME, "1", "production")
    assert "promotion of version 1 was interrupted. It is complete now" in found_in(with_champion).loc["model", "found"]
    assert versions_of(pipeline) == (["1"], "1")


def test_a_missing_table_ends_it(workspace):
    with pytest.raises(DataError, match=r"There is no file .*nowhere\.csv"):
        found_in(workspace, data=str(workspace / "nowhere.csv"))


def test_all_that_is_not_ok_ends_it_with_the_ways_out(workspace, monkeypatch):
    monkeypatch.setattr(setup, "_PACKAGES", ("pandas", "no-such-package"))
    with pytest.raises(StageError, match="packages: no-such-package missing; run make run"):
        found_in(workspace)


def test_another_version_than_the_locked_one_is_told_and_no_fault(workspace, monkeypatch):
    monkeypatch.setattr(setup.importlib.metadata, "version", lambda name: "0.0.1")
    table = found_in(workspace)
    assert "pandas 0.0.1 (locked: " in table.loc["packages", "found"]
    assert table.loc["packages", "state"] == "ok"
