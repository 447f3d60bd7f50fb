"""Secrets in parameters: references are resolved in the kernel only, and secrets themselves are refused."""

import pytest

from lib import backends
from lib.commands import main
from lib.errors import ParameterError
from lib.parameters import Parameters, check, load
from lib.secrets import known_values
from tests import workspaces

TOKEN = "ghp" + "_" + "a1B2" * 9


@pytest.fixture(autouse=True)
def no_known_values():
    yield
    known_values.forget_all()


def test_reading_a_parameter_resolves_it_and_listing_it_does_not(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "hunter2hunter2")
    values = {
        "options": {"token": "env:SHOP_TOKEN", "vault": ["keyvault:shop"], "other": "see env:SHOP_TOKEN"},
        "seed": 1,
    }
    parameters = Parameters(values, read_vault=lambda name: f"vault of {name}")
    assert parameters.options == {"token": "hunter2hunter2", "vault": ["vault of shop"], "other": "see env:SHOP_TOKEN"}
    assert dict(parameters) == values and parameters["options"] == values["options"]
    assert parameters.extended({"seed": 2}).options["token"] == "hunter2hunter2"
    assert known_values.mask("vault of shop, hunter2hunter2") == "keyvault:shop, env:SHOP_TOKEN"
    assert Parameters(values).options == values["options"]


def test_an_unset_variable_and_a_backend_without_a_vault_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    pipeline = workspaces.pipeline_in(tmp_path, hyperparameters={"linear": {"a": "env:SHOP_TOKEN"}})
    with pytest.raises(ParameterError, match="the environment variable SHOP_TOKEN is not set"):
        _ = pipeline.parameters.hyperparameters
    backend = backends.connect(pipeline.parameters)
    with pytest.raises(ParameterError, match="keyvault:shop: the local backend has no key vault"):
        backend.read_secret("shop")


@pytest.mark.parametrize(
    "assignment",
    [
        f"options.token={TOKEN}",
        f"data=https://x/y.csv?sv=1&s{'ig'}=Zm9vYmFyYmF6cXV4Zm9vYmFy%3D",
        f"data=postgresql://ada:gehe{'im1'}@db/shop#t",
        f"drop_columns=[{TOKEN}]",
        f"no_parameter={TOKEN}",
        f"seed={TOKEN}",
    ],
)
def test_a_secret_in_a_parameter_is_refused_and_not_shown(assignment, capsys, tmp_path):
    with pytest.raises(ParameterError, match="contains a secret") as caught:
        check(load(["parameters/penguins.yaml"], [assignment]))
    assert TOKEN not in str(caught.value) and "Zm9v" not in str(caught.value) and "geheim" not in str(caught.value)
    assert main(["--params", "parameters/penguins.yaml", "-p", assignment, "-p", f"runs_folder={tmp_path}/runs"]) == 2
    output = capsys.readouterr()
    assert TOKEN not in output.err + output.out and not (tmp_path / "runs").exists()


def test_a_reference_where_the_chain_needs_the_value_is_refused():
    with pytest.raises(ParameterError, match="workspace: env:PLACE refers to a secret, but only options"):
        check(load(["parameters/penguins.yaml"], ["workspace=env:PLACE"]))
    assert check(load(["parameters/penguins.yaml"], ["data=env:SHOP_URL"]))["data"] == "env:SHOP_URL"
