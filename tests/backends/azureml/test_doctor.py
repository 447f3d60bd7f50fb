"""Checks of the doctor that need no connection."""

from types import SimpleNamespace

import pytest

from lib.backends.azureml.doctor import _WorkspaceChecks
from lib.parameters import Parameters


@pytest.mark.parametrize(("is_keyless", "is_ok"), [(True, False), (False, True)])
def test_automl_needs_a_data_store_with_a_key(is_keyless, is_ok):
    checks = _WorkspaceChecks(Parameters({"automl": True, "azure_sdk": "v1", "datastore": "millrace"}))
    checks.__dict__["_datastore"] = SimpleNamespace(is_keyless=is_keyless)  # a cached property
    (check,) = checks.check_automl()
    assert check.ok == is_ok and check.result.startswith("millrace: has ")


@pytest.mark.parametrize("changes", [{"automl": False}, {"azure_sdk": "v2"}])
def test_only_automl_of_version_1_needs_a_key(changes):
    checks = _WorkspaceChecks(Parameters({"automl": True, "azure_sdk": "v1", "datastore": "millrace", **changes}))
    assert list(checks.check_automl()) == []
