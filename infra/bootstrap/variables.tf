variable "name" {
  description = "Short name of the project, the same as in the environments."
  type        = string
  default     = "millrace"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.name))
    error_message = "name must have 2 to 10 lowercase letters and digits and start with a letter."
  }
}

variable "location" {
  description = "Azure region of the state, the identities and the environments' resource groups, the same as in the environments."
  type        = string
  default     = "westeurope"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.location))
    error_message = "location must be the short name of a region, e.g. westeurope or eastus2."
  }
}

variable "state_account" {
  description = "Name of the storage account of the state, unique in all of Azure; env/*.tfbackend repeats it."
  type        = string
  default     = "stmillracestate"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.state_account))
    error_message = "state_account must have 3 to 24 lowercase letters and digits."
  }
}

variable "subscription_ids" {
  description = "Subscription of each environment; by default, the one that bootstrap is applied to."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.subscription_ids), ["dev", "test", "prod"])) == 0
    error_message = "subscription_ids can have the keys dev, test and prod."
  }

  validation {
    condition     = alltrue([for id in var.subscription_ids : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))])
    error_message = "subscription_ids must be lowercase UUIDs."
  }
}

variable "principal_ids" {
  description = "For each environment, the principal ids of its data_scientists, to which the applying identity may assign roles. The identity of the chain is included."
  type        = map(set(string))
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.principal_ids), ["dev", "test", "prod"])) == 0
    error_message = "principal_ids can have the keys dev, test and prod."
  }

  validation {
    condition     = alltrue([for id in flatten([for ids in var.principal_ids : tolist(ids)]) : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))])
    error_message = "principal_ids must be object ids (lowercase UUIDs) of users, groups or service principals."
  }
}

variable "service_connections" {
  description = "Issuer and subject of each service connection, as shown by Azure DevOps, by environment and stage, e.g. dev-plan."
  type = map(object({
    issuer  = string
    subject = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for key in keys(var.service_connections) : can(regex("^(dev|test|prod)-(plan|apply|chain)$", key))])
    error_message = "service_connections must be named <dev, test or prod>-<plan, apply or chain>, e.g. dev-plan."
  }

  validation {
    condition = alltrue([
      for one in var.service_connections :
      can(regex("^https://(login\\.microsoftonline\\.com/[0-9a-f-]{36}/v2\\.0|vstoken\\.dev\\.azure\\.com/[0-9a-f-]{36})$", one.issuer))
    ])
    error_message = "service_connections: issuer must be the one shown by Azure DevOps, https://login.microsoftonline.com/<tenant>/v2.0 or https://vstoken.dev.azure.com/<organisation>."
  }

  validation {
    condition     = alltrue([for one in var.service_connections : can(regex("^(sc://.+/.+/.+|/eid1/.+/sc/.+)$", one.subject))])
    error_message = "service_connections: subject must be the one shown by Azure DevOps: sc://<organisation>/<project>/<connection>, or /eid1/.../sc/..."
  }
}
