"""Rules for the plan of every environment. Each yields the addresses of the resources that break it."""

import re
from collections.abc import Callable, Iterator

from tests.infra.planned import Plan

RULES: dict[str, Callable[[Plan], Iterator[str]]] = {}
HOLDS_DATA = {"azurerm_storage_account", "azurerm_key_vault", "azurerm_container_registry"}
REACHABLE = HOLDS_DATA | {"azurerm_machine_learning_workspace"}


def rule(check):
    """Register a rule under its function's name."""
    RULES[check.__name__] = check
    return check


@rule
def storage_keys_are_disabled(plan):
    for address, resource in plan.of_type("azurerm_storage_account"):
        if resource["shared_access_key_enabled"] is not False or resource["local_user_enabled"] is not False:
            yield address


@rule
def no_blob_is_public(plan):
    for address, resource in plan.of_type("azurerm_storage_account"):
        if resource["allow_nested_items_to_be_public"] is not False or resource["min_tls_version"] != "TLS1_2":
            yield address
    for address, resource in plan.of_type("azurerm_storage_container"):
        if resource["container_access_type"] != "private":
            yield address


@rule
def deleted_blobs_can_be_restored(plan):
    for address, resource in plan.of_type("azurerm_storage_account"):
        kept = resource["blob_properties"][0]
        if (
            not kept["versioning_enabled"]
            or not kept["delete_retention_policy"]
            or not kept["container_delete_retention_policy"]
        ):
            yield address


@rule
def workspace_reads_storage_as_an_identity(plan):
    for address, resource in plan.of_type("azurerm_machine_learning_workspace"):
        if resource["storage_account_access_type"] != "Identity" or resource["identity"][0]["type"] != "UserAssigned":
            yield address


@rule
def datastores_hold_no_key(plan):
    for address, resource in plan.of_type("azurerm_machine_learning_datastore_blobstorage"):
        if (
            resource["account_key"]
            or resource["shared_access_signature"]
            or resource["service_data_auth_identity"] in (None, "None")
        ):
            yield address


@rule
def clusters_scale_down_to_zero(plan):
    for address, resource in plan.of_type("azurerm_machine_learning_compute_cluster"):
        scale = resource["scale_settings"][0]
        seconds = re.fullmatch(r"PT(\d+)S", scale["scale_down_nodes_after_idle_duration"])
        if scale["min_node_count"] != 0 or not seconds or int(seconds[1]) > 1800:
            yield address


@rule
def clusters_have_only_user_assigned_identities(plan):
    for address, resource in plan.of_type("azurerm_machine_learning_compute_cluster"):
        if not resource["identity"] or resource["identity"][0]["type"] != "UserAssigned":
            yield address


@rule
def nobody_logs_in_to_a_node(plan):
    for address, resource in plan.of_type("azurerm_machine_learning_compute_cluster"):
        if (
            resource["ssh"]
            or resource["ssh_public_access_enabled"] is not False
            or resource["local_auth_enabled"] is not False
        ):
            yield address


@rule
def spot_is_never_for_prod_or_images(plan):
    for address, resource in plan.of_type("azurerm_machine_learning_compute_cluster"):
        builds_images = resource["name"] == plan.only("azurerm_machine_learning_workspace")["image_build_compute_name"]
        if resource["vm_priority"] != "Dedicated" and (builds_images or plan.environment == "prod"):
            yield address


@rule
def roles_are_assigned_on_single_resources(plan):
    for address, resource in plan.of_type("azurerm_role_assignment"):
        if "/providers/" not in resource["scope"] or not resource["principal_type"]:
            yield address


@rule
def nobody_is_owner(plan):
    """Only the workspace is Contributor, on its own resources, as Microsoft requires."""
    workspace = {
        f"azurerm_role_assignment.workspace[{name}]" for name in ('"storage"', '"vault"', '"registry"', '"insights"')
    }
    workspace.add("azurerm_role_assignment.workspace_itself")
    for address, resource in plan.of_type("azurerm_role_assignment"):
        role = resource["role_definition_name"]
        if role in ("Owner", "User Access Administrator") or (role == "Contributor" and address not in workspace):
            yield address


@rule
def jobs_see_containers_not_the_account(plan):
    for address, resource in plan.of_type("azurerm_role_assignment"):
        is_of_cluster = address.startswith("azurerm_role_assignment.cluster[")
        if is_of_cluster and resource["scope"] == plan.id("azurerm_storage_account"):
            yield address


@rule
def vault_uses_roles_and_purge_protection(plan):
    for address, resource in plan.of_type("azurerm_key_vault"):
        if (
            not resource["rbac_authorization_enabled"]
            or not resource["purge_protection_enabled"]
            or resource["access_policy"]
        ):
            yield address


@rule
def registry_has_no_admin(plan):
    for address, resource in plan.of_type("azurerm_container_registry"):
        if resource["admin_enabled"] is not False or resource["anonymous_pull_enabled"] is not False:
            yield address


@rule
def private_disables_all_public_access(plan):
    if plan.private:
        for address, resource in plan.of_type(*REACHABLE):
            if resource["public_network_access_enabled"] is not False:
                yield address
        for address, resource in plan.of_type("azurerm_machine_learning_compute_cluster"):
            if resource["node_public_ip_enabled"] is not False:
                yield address


@rule
def private_firewalls_deny_by_default(plan):
    if plan.private:
        for address, resource in plan.of_type("azurerm_storage_account", "azurerm_key_vault"):
            if (resource.get("network_rules") or resource.get("network_acls"))[0]["default_action"] != "Deny":
                yield address


@rule
def prod_is_private(plan):
    if plan.environment == "prod" and plan.only("azurerm_machine_learning_workspace")["public_network_access_enabled"]:
        yield "azurerm_machine_learning_workspace.this"


@rule
def private_has_five_endpoints_and_six_zones(plan):
    endpoints, zones = [list(plan.of_type(f"azurerm_private_{kind}")) for kind in ("endpoint", "dns_zone")]
    if (len(endpoints), len(zones)) != ((5, 6) if plan.private else (0, 0)):
        yield f"{len(endpoints)} endpoints, {len(zones)} zones"
    for address, resource in endpoints:
        if not resource["private_dns_zone_group"]:
            yield address


@rule
def every_zone_is_linked(plan):
    linked = {resource["name"] for _, resource in plan.of_type("azurerm_private_dns_zone_virtual_network_link")}
    if len(linked) != len(list(plan.of_type("azurerm_private_dns_zone"))):
        yield "azurerm_private_dns_zone_virtual_network_link.this"


@rule
def every_subnet_has_a_security_group(plan):
    guarded = {
        resource["subnet_id"] for _, resource in plan.of_type("azurerm_subnet_network_security_group_association")
    }
    for address, resource in plan.of_type("azurerm_subnet"):
        if resource["id"] not in guarded or resource["private_endpoint_network_policies"] != "Enabled":
            yield address
    for address, resource in plan.of_type("azurerm_network_security_group"):
        if not any(
            entry["access"] == "Deny" and entry["direction"] == "Inbound" for entry in resource["security_rule"]
        ):
            yield address


@rule
def jobs_run_in_the_managed_network(plan):
    """In every environment, so that what works in dev works in prod."""
    for address, resource in plan.of_type("azurerm_machine_learning_workspace"):
        network = resource["managed_network"][0]
        is_ready = network["isolation_mode"] != "Disabled" and network["provision_on_creation_enabled"]
        if not is_ready or (plan.private and not resource["image_build_compute_name"]):
            yield address


@rule
def the_workspace_approves_its_endpoints(plan):
    role = "Azure AI Enterprise Network Connection Approver"
    approved = {
        resource["scope"]
        for _, resource in plan.of_type("azurerm_role_assignment")
        if resource["role_definition_name"] == role
    }
    if plan.private and approved != {plan.id(kind) for kind in HOLDS_DATA}:
        yield "azurerm_role_assignment.workspace"
