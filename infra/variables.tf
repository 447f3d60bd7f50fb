# What an environment is called and where it stands. Variables and outputs that are also parameters of run_all.py bear
# the parameter's name; variables-compute.tf, variables-network.tf and variables-operations.tf hold the rest.

variable "name" {
  description = "Short name of the project, part of every resource's name."
  type        = string
  default     = "millrace"
  nullable    = false

  validation {
    # kv-<name>-<environment>-<suffix> may have 24 characters.
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.name))
    error_message = "name must be 2 to 10 small letters and digits and start with a letter."
  }
}

variable "environment" {
  description = "Which environment this is; each has a state, a budget and a resource group of its own."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "test", "prod"], var.environment)
    error_message = "environment must be dev, test or prod."
  }
}

variable "suffix" {
  description = "End of the names that must be unique in all of Azure; empty: derived from the subscription. Give another one where a soft-deleted name is in the way."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]{3,5})?$", var.suffix))
    error_message = "suffix must be empty, or 3 to 5 small letters and digits."
  }
}

variable "location" {
  description = "Azure region of every resource; the GPU quota must be in the same one."
  type        = string
  default     = "westeurope"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.location))
    error_message = "location must be the short name of a region, e.g. westeurope or eastus2."
  }
}

variable "tags" {
  description = "Tags of every resource, beside project, environment and managed_by."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.tags), ["project", "environment", "managed_by"])) == 0
    error_message = "tags must not set project, environment or managed_by: those are made from name and environment."
  }

  validation {
    condition     = length(var.tags) <= 12 && alltrue([for key, value in var.tags : length(key) <= 128 && length(value) <= 256])
    error_message = "tags must be at most 12, with names up to 128 and values up to 256 characters."
  }
}

variable "datastore" {
  description = "Name under which the workspace knows the blob container."
  type        = string
  default     = "millrace"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9_]{2,64}$", var.datastore))
    error_message = "datastore must be 2 to 64 small letters, digits and underscores."
  }

  validation {
    condition     = !can(regex("^workspace", var.datastore))
    error_message = "datastore must not start with workspace: those names belong to the workspace's own data stores."
  }
}

variable "container" {
  description = "Name of the blob container behind the data store."
  type        = string
  default     = "millrace"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9]){2,62}$", var.container))
    error_message = "container must be 3 to 63 small letters, digits and single hyphens, starting and ending with a letter or digit."
  }
}

variable "data_scientists" {
  description = "Who may use the workspace: people, groups and the identity of the pipeline's chain, by a name of your choice."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for one in var.data_scientists : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", one.principal_id))])
    error_message = "data_scientists: each principal_id must be the object id (a UUID in small letters) of a user, group or service principal."
  }

  validation {
    condition     = alltrue([for one in var.data_scientists : contains(["User", "Group", "ServicePrincipal"], one.principal_type)])
    error_message = "data_scientists: each principal_type must be User, Group or ServicePrincipal."
  }
}
