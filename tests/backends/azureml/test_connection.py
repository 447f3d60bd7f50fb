"""Which workspace and which login are meant."""

import json

import pytest

from lib.backends.azureml import connection
from lib.errors import ParameterError

GIVEN = {"subscription_id": "s", "resource_group": "r", "workspace_name": "w"}
SECRET = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
FEDERATED = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "f"}
PIPELINE = {
    name: "x" for name in ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN")
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder that is the current one and the project's."""
    monkeypatch.setattr(connection, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestWanted:
    def test_parameters_alone_suffice(self, here):
        assert connection.wanted(GIVEN) == GIVEN

    @pytest.mark.parametrize("place", ["config.json", ".azureml/config.json"])
    def test_config_json_fills_what_is_empty(self, here, place):
        (here / place).parent.mkdir(exist_ok=True)
        (here / place).write_text(json.dumps({**GIVEN, "workspace_name": "of the file"}))
        assert connection.wanted({}) == {**GIVEN, "workspace_name": "of the file"}
        assert connection.wanted({"workspace_name": "mine"})["workspace_name"] == "mine"

    def test_all_that_is_missing_is_named(self, here):
        with pytest.raises(ParameterError) as error:
            connection.wanted({"resource_group": "r"})
        assert [fault.split()[0] for fault in error.value.faults] == ["subscription_id", "workspace_name"]

    def test_a_broken_config_json_is_named(self, here):
        (here / "config.json").write_text("[1]")
        with pytest.raises(ParameterError, match="config.json is no config.json of a workspace"):
            connection.wanted({})


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        (SECRET, "service principal"),
        (FEDERATED, "federated identity"),
        (PIPELINE, "service connection"),
        ({"MSI_ENDPOINT": "x"}, "managed identity"),
        ({"IDENTITY_ENDPOINT": "x"}, "managed identity"),
        ({**SECRET, "AZUREML_RUN_TOKEN": "x"}, "job"),
        ({"AZURE_CLIENT_ID": "c", "PATH": "/nowhere"}, "browser"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_login_is_the_first_that_the_environment_has_everything_for(environment, kind):
    assert connection.detect_login(environment) == kind


def test_az_login_where_the_tool_is_there(tmp_path):
    tool = tmp_path / "az"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert connection.detect_login({"PATH": str(tmp_path)}) == "az login"
