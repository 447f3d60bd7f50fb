variable "private" {
  description = "The one switch of the network: private endpoints, no public access, computes in the workspace's managed network. It cannot be taken back once applied."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.private || var.environment != "prod"
    error_message = "private must be true in prod."
  }
}

variable "address_space" {
  description = "Addresses of the virtual network that holds the private endpoints; it must not overlap with networks it is peered to."
  type        = string
  default     = "10.40.0.0/24"
  nullable    = false

  validation {
    condition     = try(cidrsubnet(var.address_space, 0, 0) == var.address_space, false)
    error_message = "address_space must be a range in CIDR notation that starts at its first address, e.g. 10.40.0.0/24."
  }

  validation {
    condition     = can(regex("/(1[6-9]|2[0-6])$", var.address_space))
    error_message = "address_space must be a /16 to a /26: the endpoints take ten addresses, and Azure keeps five."
  }

  validation {
    condition     = can(regex("^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168)\\.", var.address_space))
    error_message = "address_space must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16."
  }
}

variable "allowed_fqdns" {
  description = "Where private: null lets jobs reach the internet; a set lets them reach these hosts alone, behind an Azure Firewall that is billed by the hour as soon as the set has one. There is no way back from a set to null."
  type        = set(string)
  default     = null

  validation {
    condition     = var.allowed_fqdns == null || var.private
    error_message = "allowed_fqdns needs private = true: without the managed network nothing holds a job back."
  }

  validation {
    condition     = alltrue([for host in coalesce(var.allowed_fqdns, []) : can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", host))])
    error_message = "allowed_fqdns must be host names without https:// and path, e.g. files.example.com or *.example.com."
  }
}
