variable "private" {
  description = "Makes the environment private: private endpoints, no public access, compute in the workspace's managed network. This cannot be undone once applied."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.private || var.environment != "prod"
    error_message = "private must be true in prod."
  }
}

variable "address_space" {
  description = "Address range of the virtual network with the private endpoints. It must not overlap with peered networks."
  type        = string
  default     = "10.40.0.0/24"
  nullable    = false

  validation {
    condition     = try(cidrsubnet(var.address_space, 0, 0) == var.address_space, false)
    error_message = "address_space must be a CIDR range that starts at its network address, e.g. 10.40.0.0/24."
  }

  validation {
    condition     = can(regex("/(1[6-9]|2[0-6])$", var.address_space))
    error_message = "address_space must be between /16 and /26: the endpoints use ten addresses, and Azure reserves five."
  }

  validation {
    condition     = can(regex("^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168)\\.", var.address_space))
    error_message = "address_space must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16."
  }
}

variable "allowed_fqdns" {
  description = "Hosts that jobs of a private environment can reach; null allows the whole internet. A non-empty set deploys an Azure Firewall, which is billed by the hour. A set cannot be changed back to null."
  type        = set(string)
  default     = null

  validation {
    condition     = var.allowed_fqdns == null || var.private
    error_message = "allowed_fqdns needs private = true: only the managed network can restrict a job's outbound traffic."
  }

  validation {
    condition     = alltrue([for host in coalesce(var.allowed_fqdns, []) : can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", host))])
    error_message = "allowed_fqdns must contain host names without https:// or a path, e.g. files.example.com or *.example.com."
  }
}
