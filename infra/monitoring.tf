resource "azurerm_log_analytics_workspace" "this" {
  name                         = "log-${local.stem}"
  resource_group_name          = azurerm_resource_group.this.name
  location                     = var.location
  sku                          = "PerGB2018"
  retention_in_days            = var.retention_days
  daily_quota_gb               = var.daily_quota_gb
  local_authentication_enabled = false
  tags                         = local.tags
}

# Local authentication stays on: Azure ML's endpoints and jobs send telemetry with the connection string.
resource "azurerm_application_insights" "this" {
  name                                 = "appi-${local.stem}"
  resource_group_name                  = azurerm_resource_group.this.name
  location                             = var.location
  workspace_id                         = azurerm_log_analytics_workspace.this.id
  application_type                     = "web"
  retention_in_days                    = local.insights_retention_days
  daily_data_cap_in_gb                 = var.daily_quota_gb
  daily_data_cap_notifications_enabled = true
  tags                                 = local.tags
}

locals {
  # Application Insights accepts only certain retention periods; choose the shortest sufficient one.
  insights_retention_days = min([for days in [30, 60, 90, 120, 180, 270, 365, 550, 730] : days if days >= var.retention_days]...)

  logged = {
    workspace = azurerm_machine_learning_workspace.this.id
    vault     = azurerm_key_vault.this.id
    registry  = azurerm_container_registry.this.id
    blobs     = "${azurerm_storage_account.this.id}/blobServices/default" # the account itself has metrics, no logs
  }
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  for_each = local.logged

  name                       = "to-log-analytics"
  target_resource_id         = each.value
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
