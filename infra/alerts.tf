# Alerts about what runs. Jobs and quota are metrics of the workspace. Endpoints are created by the chain, not by Terraform, so
# alerts about them query the requests that their deployments send to Application Insights. A verdict of monitoring arrives
# there as an event (lib/chain/telemetry.py).

resource "azurerm_monitor_action_group" "this" {
  name                = "ag-${local.stem}"
  resource_group_name = azurerm_resource_group.this.name
  short_name          = substr("${var.name}${var.environment}", 0, 12)
  tags                = local.tags

  dynamic "email_receiver" {
    for_each = var.alert_emails

    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

locals {
  metric_alerts = {
    failed-jobs = {
      description = "A job of the workspace failed."
      metric      = "Failed Runs"
      aggregation = "Total"
      threshold   = 0
      severity    = 2
    }
    quota = {
      description = "More than ${var.alert_quota_percent} % of a quota are in use: the next job may wait or fail."
      metric      = "Quota Utilization Percentage"
      aggregation = "Maximum"
      threshold   = var.alert_quota_percent
      severity    = 2
    }
  }

  query_alerts = {
    endpoint-errors = {
      description = "More than ${var.alert_error_percent} % of an endpoint's requests failed."
      query       = "AppRequests | summarize value = 100.0 * countif(toint(ResultCode) >= 500) / count() by AppRoleName"
      dimension   = "AppRoleName"
      threshold   = var.alert_error_percent
      severity    = 1
    }
    endpoint-latency = {
      description = "The 95th percentile of an endpoint's latency is above ${var.alert_latency_ms} ms."
      query       = "AppRequests | summarize value = percentile(DurationMs, 95) by AppRoleName"
      dimension   = "AppRoleName"
      threshold   = var.alert_latency_ms
      severity    = 2
    }
    monitor-verdict = {
      description = "Monitoring found that a model's data or performance has changed."
      query       = "AppEvents | where Name == 'millrace' and tostring(Properties.event) in ('look', 'act') | extend use_case = tostring(Properties.use_case) | summarize value = count() by use_case"
      dimension   = "use_case"
      threshold   = 0
      severity    = 1
    }
  }
}

resource "azurerm_monitor_metric_alert" "this" {
  for_each = local.metric_alerts

  name                = "alert-${local.stem}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  description         = each.value.description
  scopes              = [azurerm_machine_learning_workspace.this.id]
  severity            = each.value.severity
  frequency           = "PT15M"
  window_size         = "PT1H"
  tags                = local.tags

  criteria {
    metric_namespace = "Microsoft.MachineLearningServices/workspaces"
    metric_name      = each.value.metric
    aggregation      = each.value.aggregation
    operator         = "GreaterThan"
    threshold        = each.value.threshold
  }

  action {
    action_group_id = azurerm_monitor_action_group.this.id
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "this" {
  for_each = local.query_alerts

  name                    = "alert-${local.stem}-${each.key}"
  resource_group_name     = azurerm_resource_group.this.name
  location                = var.location
  description             = each.value.description
  scopes                  = [azurerm_log_analytics_workspace.this.id]
  severity                = each.value.severity
  evaluation_frequency    = "PT15M"
  window_duration         = "PT15M"
  auto_mitigation_enabled = true
  skip_query_validation   = true # the tables exist only after the first request
  tags                    = local.tags

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Maximum"
    metric_measure_column   = "value"
    operator                = "GreaterThan"
    threshold               = each.value.threshold

    dimension {
      name     = each.value.dimension
      operator = "Include"
      values   = ["*"]
    }
  }

  action {
    action_groups = [azurerm_monitor_action_group.this.id]
  }
}
