"""Rules that the plan of every environment must keep. Each says by address what breaks it."""

import re
from collections.abc import Callable, Iterator

from tests.infra.planned import Plan

RULES: dict[str, Callable[[Plan], Iterator[str]]] = {}
GLOBAL_LIMITS = {"azurerm_storage_account": 24, "azurerm_key_vault": 24, "azurerm_container_registry": 50}
NAMED_LIMITS = {"azurerm_machine_learning_workspace": 33, "azurerm_machine_learning_compute_cluster": 24}
HOLDS_DATA = {"azurerm_storage_account", "azurerm_key_vault", "azurerm_container_registry"}
REACHABLE = HOLDS_DATA | {"azurerm_machine_learning_workspace"}


def rule(check):
    """Add a rule by its function's name."""
    RULES[check.__name__] = check
    return check


@rule
def storage_takes_no_key(plan):
    for address, one in plan.of("azurerm_storage_account"):
        if one["shared_access_key_enabled"] is not False or one["local_user_enabled"] is not False:
            yield address


@rule
def no_blob_is_public(plan):
    for address, one in plan.of("azurerm_storage_account"):
        if one["allow_nested_items_to_be_public"] is not False or one["min_tls_version"] != "TLS1_2":
            yield address
    for address, one in plan.of("azurerm_storage_container"):
        if one["container_access_type"] != "private":
            yield address


@rule
def blobs_can_be_brought_back(plan):
    for address, one in plan.of("azurerm_storage_account"):
        kept = one["blob_properties"][0]
        if (
            not kept["versioning_enabled"]
            or not kept["delete_retention_policy"]
            or not kept["container_delete_retention_policy"]
        ):
            yield address


@rule
def workspace_reads_storage_as_an_identity(plan):
    for address, one in plan.of("azurerm_machine_learning_workspace"):
        if one["storage_account_access_type"] != "Identity" or one["identity"][0]["type"] != "UserAssigned":
            yield address


@rule
def datastores_hold_no_key(plan):
    for address, one in plan.of("azurerm_machine_learning_datastore_blobstorage"):
        if one["account_key"] or one["shared_access_signature"] or one["service_data_auth_identity"] in (None, "None"):
            yield address


@rule
def clusters_shrink_to_nothing(plan):
    for address, one in plan.of("azurerm_machine_learning_compute_cluster"):
        scale = one["scale_settings"][0]
        seconds = re.fullmatch(r"PT(\d+)S", scale["scale_down_nodes_after_idle_duration"])
        if scale["min_node_count"] != 0 or not seconds or int(seconds[1]) > 1800:
            yield address


@rule
def clusters_have_user_assigned_identities_alone(plan):
    for address, one in plan.of("azurerm_machine_learning_compute_cluster"):
        if not one["identity"] or one["identity"][0]["type"] != "UserAssigned":
            yield address


@rule
def nobody_logs_in_to_a_node(plan):
    for address, one in plan.of("azurerm_machine_learning_compute_cluster"):
        if one["ssh"] or one["ssh_public_access_enabled"] is not False or one["local_auth_enabled"] is not False:
            yield address


@rule
def low_priority_is_never_for_prod_or_images(plan):
    for address, one in plan.of("azurerm_machine_learning_compute_cluster"):
        builds_images = one["name"] == plan.only("azurerm_machine_learning_workspace")["image_build_compute_name"]
        if one["vm_priority"] != "Dedicated" and (builds_images or plan.environment == "prod"):
            yield address


@rule
def roles_are_given_on_one_resource(plan):
    for address, one in plan.of("azurerm_role_assignment"):
        if "/providers/" not in one["scope"] or not one["principal_type"]:
            yield address


@rule
def nobody_owns(plan):
    """Contributor is the workspace's on its own resources, as Microsoft asks; nobody else's."""
    workspace = {
        f"azurerm_role_assignment.workspace[{name}]" for name in ('"storage"', '"vault"', '"registry"', '"insights"')
    }
    workspace.add("azurerm_role_assignment.workspace_itself")
    for address, one in plan.of("azurerm_role_assignment"):
        role = one["role_definition_name"]
        if role in ("Owner", "User Access Administrator") or (role == "Contributor" and address not in workspace):
            yield address


@rule
def vault_is_opened_by_roles_and_never_purged(plan):
    for address, one in plan.of("azurerm_key_vault"):
        if not one["rbac_authorization_enabled"] or not one["purge_protection_enabled"] or one["access_policy"]:
            yield address


@rule
def registry_has_no_admin(plan):
    for address, one in plan.of("azurerm_container_registry"):
        if one["admin_enabled"] is not False or one["anonymous_pull_enabled"] is not False:
            yield address


@rule
def private_closes_every_public_way(plan):
    if plan.private:
        for address, one in plan.of(*REACHABLE):
            if one["public_network_access_enabled"] is not False:
                yield address
        for address, one in plan.of("azurerm_machine_learning_compute_cluster"):
            if one["node_public_ip_enabled"] is not False:
                yield address


@rule
def firewalls_deny_where_private(plan):
    if plan.private:
        for address, one in plan.of("azurerm_storage_account", "azurerm_key_vault"):
            if (one.get("network_rules") or one.get("network_acls"))[0]["default_action"] != "Deny":
                yield address


@rule
def prod_is_private(plan):
    if plan.environment == "prod" and plan.only("azurerm_machine_learning_workspace")["public_network_access_enabled"]:
        yield "azurerm_machine_learning_workspace.this"


@rule
def private_has_five_endpoints_and_six_zones(plan):
    endpoints, zones = [list(plan.of(f"azurerm_private_{kind}")) for kind in ("endpoint", "dns_zone")]
    if (len(endpoints), len(zones)) != ((5, 6) if plan.private else (0, 0)):
        yield f"{len(endpoints)} endpoints, {len(zones)} zones"
    for address, one in endpoints:
        if not one["private_dns_zone_group"]:
            yield address


@rule
def every_zone_is_linked(plan):
    linked = {one["name"] for _, one in plan.of("azurerm_private_dns_zone_virtual_network_link")}
    if len(linked) != len(list(plan.of("azurerm_private_dns_zone"))):
        yield "azurerm_private_dns_zone_virtual_network_link.this"


@rule
def every_subnet_has_a_security_group(plan):
    guarded = {one["subnet_id"] for _, one in plan.of("azurerm_subnet_network_security_group_association")}
    for address, one in plan.of("azurerm_subnet"):
        if one["id"] not in guarded or one["private_endpoint_network_policies"] != "Enabled":
            yield address
    for address, one in plan.of("azurerm_network_security_group"):
        if not any(entry["access"] == "Deny" and entry["direction"] == "Inbound" for entry in one["security_rule"]):
            yield address


@rule
def private_jobs_run_in_the_managed_network(plan):
    for address, one in plan.of("azurerm_machine_learning_workspace"):
        network = one["managed_network"][0]
        ready = network["isolation_mode"] != "Disabled" and network["provision_on_creation_enabled"]
        if plan.private and not (ready and one["image_build_compute_name"]):
            yield address


@rule
def the_workspace_approves_its_endpoints(plan):
    role = "Azure AI Enterprise Network Connection Approver"
    approved = {one["scope"] for _, one in plan.of("azurerm_role_assignment") if one["role_definition_name"] == role}
    if plan.private and approved != {plan.id(kind) for kind in HOLDS_DATA}:
        yield "azurerm_role_assignment.workspace"


@rule
def logs_go_to_log_analytics(plan):
    logged = {
        one["target_resource_id"]
        for _, one in plan.of("azurerm_monitor_diagnostic_setting")
        if any(entry["category_group"] == "allLogs" for entry in one["enabled_log"])
    }
    wanted = {plan.id(kind) for kind in REACHABLE - {"azurerm_storage_account"}}
    wanted.add(plan.id("azurerm_storage_account") + "/blobServices/default")
    yield from sorted(wanted - logged)


@rule
def insights_stand_on_log_analytics_under_a_cap(plan):
    for address, one in plan.of("azurerm_application_insights"):
        if one["workspace_id"] != plan.id("azurerm_log_analytics_workspace") or not one["daily_data_cap_in_gb"]:
            yield address
    for address, one in plan.of("azurerm_log_analytics_workspace"):
        if not 0 < one["daily_quota_gb"] or one["retention_in_days"] < (90 if plan.environment == "prod" else 30):
            yield address


@rule
def the_budget_tells_before_and_after(plan):
    for address, one in plan.of("azurerm_consumption_budget_resource_group"):
        told = {entry["threshold_type"] for entry in one["notification"] if entry["contact_emails"]}
        if told != {"Actual", "Forecasted"}:
            yield address
    if not list(plan.of("azurerm_consumption_budget_resource_group")):
        yield "no budget"


@rule
def everything_that_takes_tags_has_them(plan):
    for one in plan.resources:
        values = one["change"]["after"]
        if "tags" in values and not {"project", "environment", "managed_by"} <= (values["tags"] or {}).keys():
            yield one["address"]


@rule
def prod_is_locked_where_data_is(plan):
    """Under a lock on the group or the workspace, clusters would not shrink."""
    locked = {one["scope"] for _, one in plan.of("azurerm_management_lock")}
    allowed = {plan.id(kind) for kind in HOLDS_DATA}
    if locked - allowed or (plan.environment == "prod" and locked != allowed):
        yield "azurerm_management_lock.this"


@rule
def prod_outlives_a_region(plan):
    for address, one in plan.of("azurerm_storage_account"):
        if plan.environment == "prod" and one["account_replication_type"] not in ("GRS", "GZRS"):
            yield address


@rule
def names_fit(plan):
    limits = GLOBAL_LIMITS | NAMED_LIMITS
    for address, one in plan.of(*limits):
        if len(one["name"]) > limits[address.split(".")[0]]:
            yield address


@rule
def outputs_are_no_secrets(plan):
    secrets = {
        value
        for one in plan.resources
        for name, value in one["change"]["after"].items()
        if re.search(r"key$|password|connection_string|signature", name) and isinstance(value, str)
    }
    for name, one in plan.outputs.items():
        if one["after"] in secrets or one.get("after_sensitive"):
            yield f"output.{name}"
