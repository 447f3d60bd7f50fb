terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
  }
}

locals {
  resource_providers = [
    "Microsoft.Authorization", "Microsoft.Consumption", "Microsoft.ContainerRegistry", "Microsoft.Insights",
    "Microsoft.KeyVault", "Microsoft.MachineLearningServices", "Microsoft.ManagedIdentity", "Microsoft.Network",
    "Microsoft.OperationalInsights", "Microsoft.Storage",
  ]
}

# The state is local until its storage account exists; infra/README.md explains how to move it.
provider "azurerm" {
  storage_use_azuread             = true
  resource_provider_registrations = "none"
  resource_providers_to_register  = local.resource_providers

  features {
    resource_group {
      prevent_deletion_if_contains_resources = true
    }
    storage {
      data_plane_available = false
    }
  }
}

# One provider for each environment, because each can have its own subscription.
provider "azurerm" {
  alias                           = "dev"
  subscription_id                 = lookup(var.subscription_ids, "dev", null)
  resource_provider_registrations = "none"
  resource_providers_to_register  = local.resource_providers
  features {}
}

provider "azurerm" {
  alias                           = "test"
  subscription_id                 = lookup(var.subscription_ids, "test", null)
  resource_provider_registrations = "none"
  resource_providers_to_register  = local.resource_providers
  features {}
}

provider "azurerm" {
  alias                           = "prod"
  subscription_id                 = lookup(var.subscription_ids, "prod", null)
  resource_provider_registrations = "none"
  resource_providers_to_register  = local.resource_providers
  features {}
}

data "azurerm_client_config" "current" {}
