"""The choice of the workspace and of the login."""

import json

import pytest

from lib.backends.azureml import connection
from lib.backends.azureml.login import detect_login
from lib.errors import ParameterError

NAMES = {"subscription_id": "s", "resource_group": "r", "workspace_name": "w"}
SECRET = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
FEDERATED = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "f"}
PIPELINE = {
    name: "x" for name in ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN")
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make an empty folder the current folder and the project's root."""
    monkeypatch.setattr(connection, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestWorkspaceNames:
    def test_parameters_are_sufficient(self, project):
        assert connection.workspace_names(NAMES) == NAMES

    @pytest.mark.parametrize("path", ["config.json", ".azureml/config.json"])
    def test_config_json_supplies_empty_parameters(self, project, path):
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text(json.dumps({**NAMES, "workspace_name": "from the file"}))
        assert connection.workspace_names({}) == {**NAMES, "workspace_name": "from the file"}
        assert connection.workspace_names({"workspace_name": "mine"})["workspace_name"] == "mine"

    def test_all_missing_names_are_reported(self, project):
        with pytest.raises(ParameterError) as error:
            connection.workspace_names({"resource_group": "r"})
        assert [fault.split()[0] for fault in error.value.faults] == ["subscription_id", "workspace_name"]

    def test_an_invalid_config_json_is_reported(self, project):
        (project / "config.json").write_text("[1]")
        with pytest.raises(ParameterError, match="config.json is not a workspace's config.json"):
            connection.workspace_names({})


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
def test_environment_variables_determine_the_login(environment, kind):
    assert detect_login(environment) == kind


def test_az_login_is_used_if_az_is_installed(tmp_path):
    tool = tmp_path / "az"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert detect_login({"PATH": str(tmp_path)}) == "az login"
