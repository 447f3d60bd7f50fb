"""Rules about the operation of every environment: logs, alerts, budget, tags, locks and outputs."""

import re

from tests.infra.rules import HOLDS_DATA, REACHABLE, rule

GLOBAL_LIMITS = {"azurerm_storage_account": 24, "azurerm_key_vault": 24, "azurerm_container_registry": 50}
NAMED_LIMITS = {"azurerm_machine_learning_workspace": 33, "azurerm_machine_learning_compute_cluster": 24}
ALERTS = {"failed-jobs", "quota", "endpoint-errors", "endpoint-latency", "monitor-verdict"}


@rule
def logs_go_to_log_analytics(plan):
    logged = {
        resource["target_resource_id"]
        for _, resource in plan.of_type("azurerm_monitor_diagnostic_setting")
        if any(entry["category_group"] == "allLogs" for entry in resource["enabled_log"])
    }
    wanted = {plan.id(kind) for kind in REACHABLE - {"azurerm_storage_account"}}
    wanted.add(plan.id("azurerm_storage_account") + "/blobServices/default")
    yield from sorted(wanted - logged)


@rule
def insights_use_log_analytics_with_a_cap(plan):
    for address, resource in plan.of_type("azurerm_application_insights"):
        if (
            resource["workspace_id"] != plan.id("azurerm_log_analytics_workspace")
            or not resource["daily_data_cap_in_gb"]
        ):
            yield address
    for address, resource in plan.of_type("azurerm_log_analytics_workspace"):
        if not 0 < resource["daily_quota_gb"] or resource["retention_in_days"] < (
            90 if plan.environment == "prod" else 30
        ):
            yield address


@rule
def budget_alerts_on_actual_and_forecast(plan):
    for address, resource in plan.of_type("azurerm_consumption_budget_resource_group"):
        thresholds = {entry["threshold_type"] for entry in resource["notification"] if entry["contact_emails"]}
        if thresholds != {"Actual", "Forecasted"}:
            yield address
    if not list(plan.of_type("azurerm_consumption_budget_resource_group")):
        yield "no budget"


@rule
def taggable_resources_have_tags(plan):
    for resource in plan.resources:
        values = resource["change"]["after"]
        if "tags" in values and not {"project", "environment", "managed_by"} <= (values["tags"] or {}).keys():
            yield resource["address"]


@rule
def prod_locks_only_resources_with_data(plan):
    """A lock on the group or the workspace would keep clusters from scaling down."""
    locked = {resource["scope"] for _, resource in plan.of_type("azurerm_management_lock")}
    allowed = {plan.id(kind) for kind in HOLDS_DATA}
    if locked - allowed or (plan.environment == "prod" and locked != allowed):
        yield "azurerm_management_lock.this"


@rule
def prod_storage_survives_a_region_outage(plan):
    for address, resource in plan.of_type("azurerm_storage_account"):
        if plan.environment == "prod" and resource["account_replication_type"] not in ("GRS", "GZRS"):
            yield address


@rule
def names_respect_length_limits(plan):
    limits = GLOBAL_LIMITS | NAMED_LIMITS
    for address, resource in plan.of_type(*limits):
        if len(resource["name"]) > limits[address.split(".")[0]]:
            yield address


@rule
def outputs_contain_no_secrets(plan):
    secrets = {
        value
        for resource in plan.resources
        for name, value in resource["change"]["after"].items()
        if re.search(r"key$|password|connection_string|signature", name) and isinstance(value, str)
    }
    for name, resource in plan.outputs.items():
        if resource["after"] in secrets or resource.get("after_sensitive"):
            yield f"output.{name}"


@rule
def deleted_secrets_of_prod_are_kept_for_90_days(plan):
    for address, resource in plan.of_type("azurerm_key_vault"):
        if plan.environment == "prod" and resource["soft_delete_retention_days"] != 90:
            yield address


@rule
def alerts_reach_people(plan):
    group = plan.id("azurerm_monitor_action_group")
    names = set()
    for address, resource in plan.of_type("azurerm_monitor_metric_alert"):
        names.add(re.search(r'"(.+)"', address)[1])
        if [action["action_group_id"] for action in resource["action"]] != [group]:
            yield address
    for address, resource in plan.of_type("azurerm_monitor_scheduled_query_rules_alert_v2"):
        names.add(re.search(r'"(.+)"', address)[1])
        if [action["action_groups"] for action in resource["action"]] != [[group]]:
            yield address
    yield from sorted(ALERTS - names)
    for address, resource in plan.of_type("azurerm_monitor_action_group"):
        if not resource["email_receiver"]:
            yield address
