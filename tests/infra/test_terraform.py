"""Terraform's own checks of infra/: format, validation, and the tests under infra/tests."""

import re

import pytest

from tests.infra import terraform as tf

pytestmark = pytest.mark.timeout(tf.TIMEOUT_SECONDS)
RUNS = {".": 77, "bootstrap": 13}


def test_real_provider_is_installed():
    if not tf.installed_providers():
        pytest.skip(f"the tests of infra/ ran on {tf.provider_in_use()}; the real azurerm is not installed")


def test_every_file_is_formatted(infra):
    assert infra("fmt", "-check", "-recursive", "-list=true").stdout == ""


@pytest.mark.parametrize("module", RUNS)
def test_every_module_is_valid(infra, module):
    message = infra.inside(module)("validate", "-no-color")
    assert message.returncode == 0, message.stderr


@pytest.mark.parametrize("module", RUNS)
def test_every_run_passes(infra, module):
    events = infra.inside(module).events()
    assert not [event["diagnostic"]["detail"] for event in events if event["type"] == "diagnostic"]
    assert events[-1]["test_summary"]["status"] == "pass"
    assert events[-1]["test_summary"]["passed"] == RUNS[module]


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
@pytest.mark.parametrize("environment", tf.ENVIRONMENTS)
def test_every_environment_plans_private_and_public(infra, environment, private):
    if environment == "prod" and not private:
        with pytest.raises(tf.PlanFailed, match="private must be true in prod"):
            infra.plan(environment, private)
    else:
        assert infra.plan(environment, private)["resource_changes"]


def concatenated_text(folder, pattern):
    """Return the concatenated text of a folder's files."""
    return "\n".join(file.read_text() for file in sorted(folder.glob(pattern)))


VARIABLES = {
    f"{module}/{name}": body
    for module in RUNS
    for name, body in re.findall(
        r'^variable "(\w+)" \{\n(.*?)^\}', concatenated_text(tf.INFRA / module, "variables*.tf"), re.M | re.S
    )
}


@pytest.mark.parametrize("variable", VARIABLES)
class TestVariables:
    def test_has_a_type_and_a_description(self, variable):
        assert re.search(r"^  type += ", VARIABLES[variable], re.M)
        assert re.search(r'^  description = "\w.*\."$', VARIABLES[variable], re.M)

    def test_validation_message_names_the_variable(self, variable):
        messages = re.findall(r'error_message = "(.*)"', VARIABLES[variable])
        assert messages and all(message.startswith(variable.split("/")[1]) for message in messages)

    def test_every_validation_has_a_failing_run(self, variable):
        module, name = variable.split("/")
        runs = concatenated_text(tf.INFRA / module / "tests", "*.tftest.hcl").count(f"expect_failures = [var.{name}]")
        assert runs >= VARIABLES[variable].count("validation {")


class TestApplyPermissions:
    """bootstrap/ grants exactly the permissions that infra/ needs."""

    roles = (tf.INFRA / "bootstrap/roles.tf").read_text()
    infra = concatenated_text(tf.INFRA, "*.tf")

    def test_only_roles_used_by_infra_can_be_assigned(self):
        given = re.search(r"given_roles = \{(.*?)\n  \}", self.roles, re.S)[1]
        asked = re.findall(r'\brole(?:_definition_name)? *= "([A-Z][^"]+)"', self.infra)
        assert set(re.findall(r'"([A-Z][^"]+)" +=', given)) == set(asked)

    def test_every_resource_type_of_infra_is_allowed(self):
        mocks = (tf.INFRA / "tests/mocks/azurerm.tfmock.hcl").read_text()
        needed = set(re.findall(r"/providers/(Microsoft\.\w+/\w+)", mocks))
        allowed = set(re.findall(r'"(Microsoft\.\w+/\w+)/\*"', self.roles))
        assert needed <= allowed


class TestStandIn:
    """The schema-only stand-in lets Terraform find each kind of mistake."""

    @pytest.mark.parametrize(
        ("file", "right", "wrong", "message"),
        [
            ("vault.tf", "sku_name ", "sku ", 'An argument named "sku" is not expected here'),
            ("vault.tf", '  sku_name                      = "standard"\n', "", 'The argument "sku_name" is required'),
            ("vault.tf", "local.public", '"perhaps"', "a bool is required"),
            ("vault.tf", "network_acls {", "network_rules {", 'Blocks of type "network_rules" are not expected here'),
            (
                "workspace.tf",
                "azurerm_key_vault.this.id",
                "azurerm_key_vault.this.key",
                "has no argument, nested block",
            ),
            ("main.tf", '"azurerm_resource_group" "this"', '"azurerm_resource_grp" "this"', "Invalid resource type"),
            ("compute.tf", "  scale_settings {", "  scale {", 'Blocks of type "scale" are not expected here'),
        ],
    )
    def test_a_mistake_is_found(self, copy, file, right, wrong, message):
        path = copy.folder / file
        assert right in path.read_text()
        path.write_text(path.read_text().replace(right, wrong, 1))
        result = copy("validate", "-no-color")
        assert result.returncode == 1
        assert message in " ".join(re.sub(r"[│╷╵]", " ", result.stderr).split())

    def test_key_in_an_output_is_refused(self, copy):
        path = copy.folder / "outputs.tf"
        path.write_text(
            path.read_text().replace("storage_account.this.name", "storage_account.this.primary_access_key")
        )
        with pytest.raises(tf.PlanFailed, match="sensitive"):
            copy.plan("dev")

    def test_plan_is_refused_by_the_schema_only_stand_in(self, copy):
        if tf.installed_providers():
            pytest.skip(f"the tests of infra/ ran on {tf.provider_in_use()}")
        for backend in copy.folder.glob("versions.tf"):
            backend.write_text(re.sub(r'  backend "azurerm" \{.*?\n  \}\n', "", backend.read_text(), flags=re.S))
        assert copy("init").returncode == 0
        result = copy("plan", "-no-color", "-input=false", "-var-file=env/dev.tfvars")
        assert result.returncode == 1
        assert "knows schemas only" in result.stderr
