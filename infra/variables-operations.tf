variable "storage_replication" {
  description = "Copies of the data: LRS in one data centre, ZRS in three of the region, GRS and GZRS also in a second region."
  type        = string
  default     = "LRS"
  nullable    = false

  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], var.storage_replication)
    error_message = "storage_replication must be LRS, ZRS, GRS or GZRS."
  }
}

variable "soft_delete_days" {
  description = "Days for which deleted blobs, containers and vault entries can be brought back."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90 && floor(var.soft_delete_days) == var.soft_delete_days
    error_message = "soft_delete_days must be a whole number from 7 to 90, the range that a key vault takes."
  }
}

variable "retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.retention_days >= 30 && var.retention_days <= 730 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number from 30 to 730."
  }
}

variable "daily_quota_gb" {
  description = "Gigabytes of logs a day after which no more are taken in."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.daily_quota_gb >= 0.1 && var.daily_quota_gb <= 100
    error_message = "daily_quota_gb must be 0.1 to 100: without a cap, one job in a loop is a bill."
  }
}

variable "budget_amount" {
  description = "Budget a month, in the currency of the subscription."
  type        = number
  nullable    = false

  validation {
    condition     = var.budget_amount > 0
    error_message = "budget_amount must be more than 0."
  }
}

variable "budget_start" {
  description = "First day of the first month of the budget. Azure takes none in the past for a new budget, and a change makes a new one."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^20[0-9]{2}-(0[1-9]|1[0-2])-01$", var.budget_start))
    error_message = "budget_start must be the first day of a month, e.g. 2026-12-01."
  }
}

variable "alert_emails" {
  description = "Who is told when the budget is nearly spent, or will be."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.alert_emails) > 0 && alltrue([for address in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alert_emails must hold at least one address, e.g. ml-team@example.com."
  }
}

variable "lock" {
  description = "Whether what holds data is locked against deletion."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.lock || var.environment != "prod"
    error_message = "lock must be true in prod. To destroy prod, follow the runbook in infra/README.md."
  }
}
