# Name and location of an environment. Variables and outputs that are also parameters of run_all.py have the parameter's
# name. variables-compute.tf, variables-network.tf and variables-operations.tf hold the other variables.

variable "name" {
  description = "Short name of the project. It is part of every resource name."
  type        = string
  default     = "millrace"
  nullable    = false

  validation {
    # kv-<name>-<environment>-<suffix> can have 24 characters.
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.name))
    error_message = "name must have 2 to 10 lowercase letters and digits and start with a letter."
  }
}

variable "environment" {
  description = "Name of the environment. Each environment has its own state, budget and resource group."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "test", "prod"], var.environment)
    error_message = "environment must be dev, test or prod."
  }
}

variable "suffix" {
  description = "Suffix of the names that must be globally unique; empty: derived from the subscription. Set another one if a soft-deleted resource blocks a name."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]{3,5})?$", var.suffix))
    error_message = "suffix must be empty or have 3 to 5 lowercase letters and digits."
  }
}

variable "location" {
  description = "Azure region of every resource. The GPU quota must be in the same region."
  type        = string
  default     = "westeurope"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.location))
    error_message = "location must be the short name of a region, e.g. westeurope or eastus2."
  }
}

variable "tags" {
  description = "Tags for every resource, in addition to project, environment and managed_by."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.tags), ["project", "environment", "managed_by"])) == 0
    error_message = "tags must not set project, environment or managed_by: Terraform sets them from name and environment."
  }

  validation {
    condition     = length(var.tags) <= 12 && alltrue([for key, value in var.tags : length(key) <= 128 && length(value) <= 256])
    error_message = "tags can have at most 12 entries, with names up to 128 and values up to 256 characters."
  }
}

variable "datastore" {
  description = "Name of the workspace's datastore for the blob container."
  type        = string
  default     = "millrace"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9_]{2,64}$", var.datastore))
    error_message = "datastore must have 2 to 64 lowercase letters, digits and underscores."
  }

  validation {
    condition     = !can(regex("^workspace", var.datastore))
    error_message = "datastore must not start with workspace: these names are reserved for the workspace's own datastores."
  }
}

variable "container" {
  description = "Name of the blob container behind the datastore."
  type        = string
  default     = "millrace"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9]){2,62}$", var.container))
    error_message = "container must have 3 to 63 lowercase letters, digits and single hyphens, and start and end with a letter or digit."
  }
}

variable "data_scientists" {
  description = "Principals that may use the workspace (people, groups, and the identity of the pipeline's chain), each under a name of your choice."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for one in var.data_scientists : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", one.principal_id))])
    error_message = "data_scientists: each principal_id must be the object id (a lowercase UUID) of a user, group or service principal."
  }

  validation {
    condition     = alltrue([for one in var.data_scientists : contains(["User", "Group", "ServicePrincipal"], one.principal_type)])
    error_message = "data_scientists: each principal_type must be User, Group or ServicePrincipal."
  }
}
