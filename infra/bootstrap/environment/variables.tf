variable "name" {
  description = "Short name of the project."
  type        = string
}

variable "environment" {
  description = "Name of the environment: dev, test or prod."
  type        = string
}

variable "location" {
  description = "Azure region of the resource group and the identities."
  type        = string
}
