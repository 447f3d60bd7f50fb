"""Secrets of the workspace's key vault, and the search for secrets in the workspace's MLflow."""

from types import SimpleNamespace

import pytest

from lib.backends.azureml import key_vault, secret_search
from lib.backends.azureml.v1.workspace import Workspace
from lib.errors import MillraceError, ParameterError
from lib.parameters import Parameters
from lib.secrets import known_values


@pytest.fixture(autouse=True)
def no_known_values():
    yield
    known_values.forget_all()


def workspace_with(get_secret):
    keyvault = SimpleNamespace(get_secret=get_secret)
    return Workspace(SimpleNamespace(name="mlw", get_default_keyvault=lambda: keyvault))


def test_a_secret_is_read_when_the_parameter_is_used():
    workspace = workspace_with({"sales": "hunter2hunter2"}.get)
    parameters = Parameters(
        {"options": {"token": "keyvault:sales"}}, read_vault=lambda name: key_vault.read_secret(workspace, name)
    )
    assert parameters.options == {"token": "hunter2hunter2"} and dict(parameters) == {
        "options": {"token": "keyvault:sales"}
    }
    assert known_values.mask("hunter2hunter2") == "keyvault:sales"


def test_a_missing_secret_and_an_error_of_the_vault_are_named():
    def raise_error(name):
        raise RuntimeError("(SecretNotFound) A secret with (name/id) sales was not found in this key vault")

    for get_secret in (raise_error, lambda name: None):
        with pytest.raises(ParameterError, match="keyvault:sales: the key vault of the workspace mlw has no secret"):
            key_vault.read_secret(workspace_with(get_secret), "sales")

    def refuse(name):
        raise RuntimeError("status code: 403, Forbidden")

    with pytest.raises(MillraceError, match="could not read the secret sales of the key vault"):
        key_vault.read_secret(workspace_with(refuse), "sales")


def test_tags_are_redacted_and_params_are_named():
    known_values.remember("env:TOKEN", "hunter2hunter2")
    changed = {}
    data = SimpleNamespace(
        tags={"stage": "train", "note": "a hunter2hunter2"}, params={"url": "hunter2hunter2", "c": "1"}
    )
    client = SimpleNamespace(
        get_experiment_by_name=lambda name: SimpleNamespace(experiment_id="7") if name == "shop" else None,
        search_runs=lambda experiments, condition, max_results: [
            SimpleNamespace(info=SimpleNamespace(run_id="r1"), data=data)
        ],
        set_tag=lambda run_id, name, value: changed.update({(run_id, name): value}),
    )
    found = secret_search.redact(client, "shop", "run-1")
    assert changed == {("r1", "note"): "a [redacted: env:TOKEN]"}
    assert [place.partition(" (")[0] for place, _ in found] == ["train: MLflow tag note", "train: MLflow param url"]
    assert secret_search.redact(client, "other", "run-1") == []
