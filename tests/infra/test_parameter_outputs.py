"""Terraform outputs as parameters: each output is a parameter, and `terraform output -json` is a parameter file."""

import json
import re
from pathlib import Path

import pytest

from lib.commands import main
from lib.errors import ParameterError
from lib.parameters import SPECS, check, load
from tests.infra import terraform as tf

RECORDED = Path(__file__).with_name("outputs.json")
USE_CASE = tf.INFRA.parent / "parameters/penguins.yaml"
NAMES = re.findall(r'^output "(\w+)"', (tf.INFRA / "outputs.tf").read_text(), re.M)


def test_every_output_is_a_parameter():
    assert len(NAMES) == 14
    assert not set(NAMES) - SPECS.keys()


def test_recorded_outputs_match_outputs_tf():
    assert sorted(json.loads(RECORDED.read_text())) == sorted(NAMES)


@pytest.mark.parametrize("environment", tf.ENVIRONMENTS)
def test_outputs_of_every_environment_are_valid(plans, tmp_path, environment):
    given = {
        name: {"sensitive": False, "type": "string", "value": change["after"]}
        for name, change in plans[environment]["output_changes"].items()
    }
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(given))
    values = check(load([USE_CASE, file]))
    assert {name: values[name] for name in NAMES} == {name: change["value"] for name, change in given.items()}


def test_recorded_outputs_override_parameters():
    layers = load([USE_CASE, RECORDED])
    values = check(layers)
    assert values["workspace_name"] == "mlw-millrace-dev"
    assert values["max_nodes"] == 1
    assert values["managed_identity"].endswith("/userAssignedIdentities/id-millrace-dev-cluster")
    assert layers.sources["workspace_name"] == "tests/infra/outputs.json"


def test_outputs_override_the_azure_profile():
    values = check(load([USE_CASE, tf.INFRA.parent / "parameters/azureml.yaml", RECORDED]))
    assert {name: values[name] for name in NAMES} == {
        name: change["value"] for name, change in json.loads(RECORDED.read_text()).items()
    }


def test_chain_accepts_the_outputs_file(capsys):
    assert main(["--params", str(USE_CASE), str(RECORDED), "--dry-run"]) == 0
    assert "workspace_name: mlw-millrace-dev" in capsys.readouterr().out


def test_unknown_output_is_named(tmp_path):
    outputs = json.loads(RECORDED.read_text())
    outputs["workspace_nam"] = outputs.pop("workspace_name")
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(outputs))
    with pytest.raises(ParameterError, match="workspace_nam .* is not a parameter. Did you mean .workspace_name"):
        check(load([USE_CASE, file]))


def test_a_sensitive_output_is_refused(tmp_path):
    outputs = json.loads(RECORDED.read_text())
    outputs["storage_account"]["sensitive"] = True
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(outputs))
    with pytest.raises(ParameterError, match="contains the sensitive Terraform outputs storage_account"):
        load([USE_CASE, file])


def test_ordinary_mapping_is_not_read_as_outputs(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("options: {value: 1, type: a, sensitive: false}\nseed: 3\n")
    assert load([USE_CASE, file]).values["options"] == {"value": 1, "type": "a", "sensitive": False}


def test_empty_outputs_change_nothing(tmp_path):
    file = tmp_path / "outputs.json"
    file.write_text("{}\n")
    assert load([USE_CASE, file]).values == load([USE_CASE]).values
