variable "storage_replication" {
  description = "Replication of the data: LRS in one data centre, ZRS across three zones of the region, GRS and GZRS also in a second region."
  type        = string
  default     = "LRS"
  nullable    = false

  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], var.storage_replication)
    error_message = "storage_replication must be LRS, ZRS, GRS or GZRS."
  }
}

variable "soft_delete_days" {
  description = "Days during which deleted blobs, containers and vault entries can be restored; the vault of prod always has 90."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 90 && floor(var.soft_delete_days) == var.soft_delete_days
    error_message = "soft_delete_days must be a whole number from 7 to 90, the range that a key vault accepts."
  }
}

variable "retention_days" {
  description = "Retention of the logs, in days."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.retention_days >= 30 && var.retention_days <= 730 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number from 30 to 730."
  }
}

variable "daily_quota_gb" {
  description = "Daily cap on log ingestion, in gigabytes."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.daily_quota_gb >= 0.1 && var.daily_quota_gb <= 100
    error_message = "daily_quota_gb must be 0.1 to 100: without a cap, one job that logs in a loop is expensive."
  }
}

variable "budget_amount" {
  description = "Monthly budget, in the subscription's currency."
  type        = number
  nullable    = false

  validation {
    condition     = var.budget_amount > 0
    error_message = "budget_amount must be greater than 0."
  }
}

variable "budget_start" {
  description = "First day of the budget's first month. It cannot be in the past for a new budget, and changing it creates a new budget."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^20[0-9]{2}-(0[1-9]|1[0-2])-01$", var.budget_start))
    error_message = "budget_start must be the first day of a month, e.g. 2026-12-01."
  }
}

variable "budget_exists" {
  description = "Whether the budget was created by an earlier apply, so that its start may lie in the past. `make -C infra plan` finds out from the state."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.budget_exists || try(timecmp("${var.budget_start}T00:00:00Z", timeadd(plantimestamp(), "8784h")) <= 0, false)
    error_message = "budget_exists must be false if budget_start is more than twelve months ahead: Azure refuses such a budget, so it cannot exist."
  }
}

variable "alert_emails" {
  description = "Email addresses that receive the alerts: budget, endpoints, jobs, quota and monitoring."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.alert_emails) > 0 && alltrue([for address in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alert_emails must contain at least one address, e.g. ml-team@example.com."
  }
}

variable "alert_error_percent" {
  description = "Share of failed requests of an endpoint within 15 minutes, in percent, above which an alert is sent."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.alert_error_percent > 0 && var.alert_error_percent < 100
    error_message = "alert_error_percent must be greater than 0 and less than 100."
  }
}

variable "alert_latency_ms" {
  description = "95th percentile of an endpoint's latency within 15 minutes, in milliseconds, above which an alert is sent."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.alert_latency_ms > 0 && var.alert_latency_ms <= 180000
    error_message = "alert_latency_ms must be greater than 0 and at most 180000: Azure ends a request after 180 seconds."
  }
}

variable "alert_quota_percent" {
  description = "Share of the Azure ML quota in use, in percent, above which an alert is sent."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.alert_quota_percent > 0 && var.alert_quota_percent <= 100
    error_message = "alert_quota_percent must be greater than 0 and at most 100."
  }
}

variable "lock" {
  description = "Whether resources that hold data are locked against deletion."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.lock || var.environment != "prod"
    error_message = "lock must be true in prod. To destroy prod, follow the runbook in infra/README.md."
  }
}
