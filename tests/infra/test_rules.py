"""The rules of rules.py hold for every environment, and each of them fails on a mutant that breaks it."""

import pytest

from tests.infra import operation_rules  # noqa: F401 - registers its rules
from tests.infra import terraform as tf
from tests.infra.planned import Plan
from tests.infra.rules import RULES

# For each rule: the mutated file, the original text, the mutated text.
MUTANTS = {
    "storage_keys_are_disabled": (
        "storage.tf",
        "shared_access_key_enabled        = false",
        "shared_access_key_enabled = true",
    ),
    "no_blob_is_public": ("storage.tf", 'container_access_type = "private"', 'container_access_type = "blob"'),
    "deleted_blobs_can_be_restored": ("storage.tf", "versioning_enabled = true", "versioning_enabled = false"),
    "workspace_reads_storage_as_an_identity": ("workspace.tf", '= "Identity"', '= "AccessKey"'),
    "datastores_hold_no_key": ("workspace.tf", '= "WorkspaceUserAssignedIdentity"', '= "None"'),
    "clusters_scale_down_to_zero": ("compute.tf", "min_node_count                       = 0", "min_node_count = 1"),
    "clusters_have_only_user_assigned_identities": (
        "compute.tf",
        'type         = "UserAssigned"',
        'type = "SystemAssigned, UserAssigned"',
    ),
    "nobody_logs_in_to_a_node": ("compute.tf", "local_auth_enabled            = false", "local_auth_enabled = true"),
    "spot_is_never_for_prod_or_images": ("compute.tf", 'priority = "dedicated"', 'priority = "spot"'),
    "roles_are_assigned_on_single_resources": (
        "identity.tf",
        'role = "AcrPull", scope = azurerm_container_registry.this.id',
        'role = "AcrPull", scope = azurerm_resource_group.this.id',
    ),
    "nobody_is_owner": ("identity.tf", 'role = "AcrPull"', 'role = "Contributor"'),
    "jobs_see_containers_not_the_account": (
        "identity.tf",
        'scope = "${local.containers}/azureml" }',
        "scope = azurerm_storage_account.this.id }",
    ),
    "vault_uses_roles_and_purge_protection": (
        "vault.tf",
        "purge_protection_enabled      = true",
        "purge_protection_enabled = false",
    ),
    "registry_has_no_admin": ("registry.tf", "admin_enabled                 = false", "admin_enabled = true"),
    "private_disables_all_public_access": ("registry.tf", "= local.public\n  network", "= true\n  network"),
    "private_firewalls_deny_by_default": ("vault.tf", 'var.private ? "Deny" : "Allow"', '"Allow"'),
    "prod_is_private": ("main.tf", "var.private ? false : true", "true"),
    "private_has_five_endpoints_and_six_zones": ("network.tf", "    file      = { target", "    #file      = { target"),
    "every_zone_is_linked": (
        "network.tf",
        'network_link" "this" {\n  for_each = local.zones\n',
        'network_link" "this" {\n  for_each = { blob = local.zones["blob"] }\n',
    ),
    "every_subnet_has_a_security_group": ("network.tf", '= "Enabled" # else', '= "Disabled" # else'),
    "jobs_run_in_the_managed_network": (
        "workspace.tf",
        "provision_on_creation_enabled = true",
        "provision_on_creation_enabled = false",
    ),
    "the_workspace_approves_its_endpoints": ("identity.tf", "    vault_endpoint    =", "    #vault_endpoint    ="),
    "logs_go_to_log_analytics": ("monitoring.tf", "/blobServices/default", ""),
    "insights_use_log_analytics_with_a_cap": (
        "monitoring.tf",
        "workspace_id                         = azurerm_log_analytics_workspace.this.id\n",
        "",
    ),
    "budget_alerts_on_actual_and_forecast": ("governance.tf", '{ type = "Forecasted", percent = 100 },', ""),
    "taggable_resources_have_tags": ("vault.tf", "  tags                          = local.tags\n", ""),
    "prod_locks_only_resources_with_data": (
        "governance.tf",
        "storage  = azurerm_storage_account.this.id",
        "storage  = azurerm_machine_learning_workspace.this.id",
    ),
    "prod_storage_survives_a_region_outage": ("env/prod.tfvars", '"GZRS"', '"ZRS"'),
    "names_respect_length_limits": ("vault.tf", '"kv-${local.stem}', '"key-vault-${local.stem}'),
    "outputs_contain_no_secrets": (
        "outputs.tf",
        "value       = azurerm_storage_account.this.name",
        # The provider marks keys as sensitive, and Terraform refuses them as outputs that are not.
        "sensitive = true\n  value = azurerm_storage_account.this.primary_access_key",
    ),
    "deleted_secrets_of_prod_are_kept_for_90_days": ("vault.tf", "? 90 :", "? 30 :"),
    "alerts_reach_people": ("alerts.tf", "for_each = var.alert_emails", "for_each = []"),
}


@pytest.mark.parametrize("environment", tf.ENVIRONMENTS)
@pytest.mark.parametrize("name", RULES)
def test_every_environment_keeps_the_rule(plans, name, environment):
    assert not list(RULES[name](Plan(plans[environment])))


def test_every_rule_has_a_mutant():
    assert RULES.keys() == MUTANTS.keys()


def change(copy, name):
    """Apply the mutation of a rule to a copy of infra/."""
    file, right, wrong = MUTANTS[name]
    path = copy.folder / file
    text = path.read_text()
    assert right in text, f"{file} has changed: the mutant of {name} has nothing to change"
    path.write_text(text.replace(right, wrong))


def test_every_rule_fails_on_the_combined_mutant(copy):
    for name in MUTANTS:
        change(copy, name)
    plan = Plan(copy.plan("prod"))
    assert not [name for name, check in RULES.items() if not list(check(plan))]


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_every_rule_fails_on_its_own_mutant(copy, name):
    change(copy, name)
    assert list(RULES[name](Plan(copy.plan("prod"))))
