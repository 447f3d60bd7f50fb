# The names are those that infra/ gives; infra/ then manages the resources and their tags.

terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
  }
}

resource "azurerm_resource_group" "this" {
  name     = "rg-${var.name}-${var.environment}"
  location = var.location

  lifecycle {
    ignore_changes = [tags]
  }
}

resource "azurerm_user_assigned_identity" "this" {
  for_each = toset(["workspace", "cluster"])

  name                = "id-${var.name}-${var.environment}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location

  lifecycle {
    ignore_changes = [tags]
  }
}

output "resource_group_id" {
  description = "Id of the environment's resource group."
  value       = azurerm_resource_group.this.id
}

output "identity_ids" {
  description = "Resource ids of the identities of the workspace and of the jobs."
  value       = { for purpose, identity in azurerm_user_assigned_identity.this : purpose => identity.id }
}

output "principal_ids" {
  description = "Principal ids of the same identities."
  value       = { for purpose, identity in azurerm_user_assigned_identity.this : purpose => identity.principal_id }
}
