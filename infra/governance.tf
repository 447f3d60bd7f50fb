resource "azurerm_consumption_budget_resource_group" "this" {
  name              = "budget-${local.stem}"
  resource_group_id = azurerm_resource_group.this.id
  amount            = var.budget_amount
  time_grain        = "Monthly"

  time_period {
    start_date = "${var.budget_start}T00:00:00Z"
  }

  dynamic "notification" {
    for_each = [
      { type = "Actual", percent = 80 },
      { type = "Actual", percent = 100 },
      { type = "Forecasted", percent = 100 },
    ]

    content {
      threshold_type = notification.value.type
      threshold      = notification.value.percent
      operator       = "GreaterThanOrEqualTo"
      contact_emails = var.alert_emails
      contact_groups = [azurerm_monitor_action_group.this.id]
    }
  }

  # Azure refuses a new budget that starts before this month or more than twelve months ahead, and it does so in the middle
  # of an apply. An existing budget keeps its start.
  lifecycle {
    precondition {
      condition = var.budget_exists || (
        timecmp("${var.budget_start}T00:00:00Z", local.this_month) >= 0 &&
        timecmp("${var.budget_start}T00:00:00Z", timeadd(local.this_month, "8784h")) <= 0
      )
      error_message = "budget_start is ${var.budget_start}, but a new budget must start in this month (${substr(local.this_month, 0, 10)}) or at most twelve months later. Set budget_start in env/${var.environment}.tfvars. If the budget exists already, set budget_exists = true."
    }
  }
}

locals {
  this_month = "${formatdate("YYYY-MM", plantimestamp())}-01T00:00:00Z"
}

# Lock the resources that hold data, not the group or the workspace: a lock on those would keep idle nodes from being released
# (learn.microsoft.com, "Lock your resources to protect your infrastructure").
resource "azurerm_management_lock" "this" {
  for_each = !var.lock ? {} : {
    storage  = azurerm_storage_account.this.id
    vault    = azurerm_key_vault.this.id
    registry = azurerm_container_registry.this.id
  }

  name       = "keep"
  scope      = each.value
  lock_level = "CanNotDelete"
  notes      = "Holds data of ${local.stem}. infra/README.md says how to take the lock off."
}
