"""What Terraform hands to run_all.py: each output is a parameter, and `terraform output -json` is laid over them."""

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


def test_the_recorded_outputs_are_those_of_outputs_tf():
    assert sorted(json.loads(RECORDED.read_text())) == sorted(NAMES)


@pytest.mark.parametrize("environment", tf.ENVIRONMENTS)
def test_every_environment_gives_what_the_parameters_take(plans, tmp_path, environment):
    given = {
        name: {"sensitive": False, "type": "string", "value": one["after"]}
        for name, one in plans[environment]["output_changes"].items()
    }
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(given))
    values = check(load([USE_CASE, file]))
    assert {name: values[name] for name in NAMES} == {name: one["value"] for name, one in given.items()}


def test_the_recorded_outputs_are_laid_over_the_parameters():
    layers = load([USE_CASE, RECORDED])
    values = check(layers)
    assert values["workspace_name"] == "mlw-millrace-dev"
    assert values["max_nodes"] == 1
    assert values["managed_identity"].endswith("/userAssignedIdentities/id-millrace-dev-cluster")
    assert layers.sources["workspace_name"] == "tests/infra/outputs.json"


def test_they_go_over_the_profile_of_azure():
    values = check(load([USE_CASE, tf.INFRA.parent / "parameters/azureml.yaml", RECORDED]))
    assert {name: values["azure"][name] for name in NAMES} == {
        name: one["value"] for name, one in json.loads(RECORDED.read_text()).items()
    }


def test_the_chain_takes_them_as_they_are(capsys):
    assert main(["--params", str(USE_CASE), str(RECORDED), "--dry-run"]) == 0
    assert "workspace_name: 'mlw-millrace-dev'" in capsys.readouterr().out


def test_an_output_that_is_no_parameter_is_named(tmp_path):
    outputs = json.loads(RECORDED.read_text())
    outputs["workspace_nam"] = outputs.pop("workspace_name")
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(outputs))
    with pytest.raises(ParameterError, match="workspace_nam .* is no parameter. Did you mean .workspace_name"):
        check(load([USE_CASE, file]))


def test_a_sensitive_output_is_refused(tmp_path):
    outputs = json.loads(RECORDED.read_text())
    outputs["storage_account"]["sensitive"] = True
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(outputs))
    with pytest.raises(ParameterError, match="storage_account sensitive"):
        load([USE_CASE, file])


def test_a_mapping_with_such_names_among_others_stays_a_mapping(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("options: {value: 1, type: a, sensitive: false}\nseed: 3\n")
    assert load([USE_CASE, file]).values["options"] == {"value": 1, "type": "a", "sensitive": False}


def test_no_outputs_at_all_change_nothing(tmp_path):
    file = tmp_path / "outputs.json"
    file.write_text("{}\n")
    assert load([USE_CASE, file]).values == load([USE_CASE]).values
