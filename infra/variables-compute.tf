# The provider validates only a cluster's name and priority. Azure would reject other wrong values after half an hour, so
# they are validated here.

variable "gpu_cluster" {
  description = "Name of the GPU cluster."
  type        = string
  default     = "gpu-cluster"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.gpu_cluster))
    error_message = "gpu_cluster must have 2 to 24 lowercase letters, digits and hyphens, start with a letter and not end with a hyphen."
  }
}

variable "gpu_vm_size" {
  description = "VM size of the GPU cluster's nodes. Its VM family needs Azure ML quota in the region."
  type        = string
  default     = "Standard_NC4as_T4_v3"
  nullable    = false

  validation {
    condition = contains([
      # NCasT4_v3: 1, 1, 1 and 4 NVIDIA T4
      "Standard_NC4as_T4_v3", "Standard_NC8as_T4_v3", "Standard_NC16as_T4_v3", "Standard_NC64as_T4_v3",
      # NC A100 v4: 1, 2 and 4 NVIDIA A100 80 GB
      "Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4", "Standard_NC96ads_A100_v4",
      # NC H100 v5: 1 and 2 NVIDIA H100
      "Standard_NC40ads_H100_v5", "Standard_NC80adis_H100_v5",
      # ND H100 v5 and ND H200 v5: 8
      "Standard_ND96isr_H100_v5", "Standard_ND96isr_H200_v5",
    ], var.gpu_vm_size)
    error_message = "gpu_vm_size must be a size of NCasT4_v3, NC A100 v4, NC H100 v5, ND H100 v5 or ND H200 v5, e.g. Standard_NC4as_T4_v3. NCv3 was retired on 30 September 2025, NVv3 and NVv4 on 30 September 2026."
  }
}

variable "max_nodes" {
  description = "Maximum number of GPU nodes. The cluster always scales down to 0."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.max_nodes >= 1 && var.max_nodes <= 100 && floor(var.max_nodes) == var.max_nodes
    error_message = "max_nodes must be a whole number from 1 to 100."
  }
}

variable "idle_seconds" {
  description = "Seconds a node may idle before the cluster releases it."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.idle_seconds >= 60 && var.idle_seconds <= 1800 && floor(var.idle_seconds) == var.idle_seconds
    error_message = "idle_seconds must be a whole number from 60 to 1800: an idle GPU costs as much as a busy one."
  }
}

variable "vm_priority" {
  description = "Priority of the GPU nodes: dedicated, or spot, whose price varies up to the dedicated one and whose nodes can be evicted in the middle of a job. low_priority is the former name of spot."
  type        = string
  default     = "dedicated"
  nullable    = false

  validation {
    condition     = contains(["dedicated", "spot", "low_priority"], var.vm_priority)
    error_message = "vm_priority must be dedicated or spot."
  }
}

variable "cpu_cluster" {
  description = "Name of the CPU cluster. It runs jobs that need no GPU, and builds images if the registry is private."
  type        = string
  default     = "cpu-cluster"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.cpu_cluster)) && var.cpu_cluster != var.gpu_cluster
    error_message = "cpu_cluster must have 2 to 24 lowercase letters, digits and hyphens, start with a letter and not end with a hyphen, and differ from gpu_cluster."
  }
}

variable "cpu_vm_size" {
  description = "VM size of the CPU cluster's nodes."
  type        = string
  default     = "Standard_D4ds_v5"
  nullable    = false

  validation {
    condition     = can(regex("^Standard_[DE](2|4|8|16|32|48|64|96)a?ds_v[56]$", var.cpu_vm_size))
    error_message = "cpu_vm_size must be a Dds, Dads, Eds or Eads size of v5 or v6, e.g. Standard_D4ds_v5: image builds need the local disk, which the d stands for."
  }
}

variable "cpu_max_nodes" {
  description = "Maximum number of CPU nodes. The cluster always scales down to 0."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.cpu_max_nodes >= 1 && var.cpu_max_nodes <= 100 && floor(var.cpu_max_nodes) == var.cpu_max_nodes
    error_message = "cpu_max_nodes must be a whole number from 1 to 100."
  }
}
