mock_provider "azurerm" {
  source = "./tests/mocks"
}

variables {
  environment    = "prod"
  private        = true
  lock           = true
  budget_amount  = 100
  budget_start   = "2026-12-01"
  budget_exists  = true # the tests do not depend on the date
  alert_emails   = ["ml-team@example.com"]
  retention_days = 100
}

run "operations" {
  assert {
    condition     = toset([for one in azurerm_consumption_budget_resource_group.this.notification : one.threshold_type]) == toset(["Actual", "Forecasted"])
    error_message = "The budget must speak up when it is spent and when it will be."
  }

  assert {
    condition     = azurerm_application_insights.this.workspace_id == azurerm_log_analytics_workspace.this.id && azurerm_application_insights.this.retention_in_days == 120
    error_message = "Application Insights must stand on Log Analytics and keep what it takes for at least retention_days."
  }

  assert {
    condition     = toset(keys(azurerm_monitor_diagnostic_setting.this)) == toset(["workspace", "vault", "registry", "blobs"]) && endswith(azurerm_monitor_diagnostic_setting.this["blobs"].target_resource_id, "/blobServices/default")
    error_message = "The workspace, the vault, the registry and the blobs must send their logs."
  }

  assert {
    condition     = toset([for lock in azurerm_management_lock.this : lock.scope]) == toset([azurerm_storage_account.this.id, azurerm_key_vault.this.id, azurerm_container_registry.this.id])
    error_message = "What holds data must be locked, and neither the group nor the workspace: their clusters could not shrink."
  }

  assert {
    condition     = azurerm_storage_account.this.blob_properties[0].versioning_enabled && azurerm_storage_account.this.blob_properties[0].delete_retention_policy[0].days == 14
    error_message = "Deleted and overwritten blobs must be kept for a while."
  }
}

run "outputs" {
  assert {
    condition = alltrue([
      output.subscription_id == "00000000-0000-0000-0000-000000000003",
      output.resource_group == "rg-millrace-prod",
      output.workspace_name == "mlw-millrace-prod",
      output.location == "westeurope",
      output.datastore == "millrace",
      output.container == "millrace",
      output.gpu_cluster == "gpu-cluster",
      output.gpu_vm_size == "Standard_NC4as_T4_v3",
      output.cpu_cluster == "cpu-cluster",
      output.max_nodes == 2,
      output.vm_priority == "dedicated",
      output.idle_seconds == 300,
      output.managed_identity == azurerm_user_assigned_identity.cluster.id,
    ])
    error_message = "The outputs must be what the resources are."
  }

  assert {
    condition     = can(regex("^stmillraceprod[0-9a-f]{5}$", output.storage_account))
    error_message = "The storage account's name must end in the suffix made from the subscription."
  }
}

run "longest_names_fit" {
  command = plan

  variables {
    name   = "abcdefghij"
    suffix = "12345"
  }

  assert {
    condition     = length(azurerm_key_vault.this.name) <= 24 && length(azurerm_storage_account.this.name) <= 24
    error_message = "The longest name and suffix must fit into 24 characters in prod, whose name is the longest."
  }
}

run "vault_of_prod" {
  assert {
    condition     = azurerm_key_vault.this.soft_delete_retention_days == 90
    error_message = "The vault of prod must keep deleted secrets for 90 days."
  }
}

run "alerts" {
  assert {
    condition     = toset(keys(azurerm_monitor_metric_alert.this)) == toset(["failed-jobs", "quota"]) && toset(keys(azurerm_monitor_scheduled_query_rules_alert_v2.this)) == toset(["endpoint-errors", "endpoint-latency", "monitor-verdict"])
    error_message = "There must be alerts for failed jobs, quota, the endpoints' errors and latency, and verdicts of monitoring."
  }

  assert {
    condition = alltrue([
      alltrue([for alert in azurerm_monitor_metric_alert.this : one(alert.action).action_group_id == azurerm_monitor_action_group.this.id]),
      alltrue([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.this : one(one(alert.action).action_groups) == azurerm_monitor_action_group.this.id]),
      toset([for receiver in azurerm_monitor_action_group.this.email_receiver : receiver.email_address]) == toset(["ml-team@example.com"]),
    ])
    error_message = "Every alert must reach the addresses in alert_emails."
  }
}

run "budget_in_this_month" {
  command = plan

  variables {
    budget_exists = false
    budget_start  = "${formatdate("YYYY-MM", timestamp())}-01"
  }
}
