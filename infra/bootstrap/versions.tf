terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
  }
}

# The state is local until its storage account exists; infra/README.md explains how to move it.
provider "azurerm" {
  storage_use_azuread             = true
  resource_provider_registrations = "none"

  resource_providers_to_register = [
    "Microsoft.Authorization", "Microsoft.Consumption", "Microsoft.ContainerRegistry", "Microsoft.Insights",
    "Microsoft.KeyVault", "Microsoft.MachineLearningServices", "Microsoft.ManagedIdentity", "Microsoft.Network",
    "Microsoft.OperationalInsights", "Microsoft.Storage",
  ]

  features {
    resource_group {
      prevent_deletion_if_contains_resources = true
    }
    storage {
      data_plane_available = false
    }
  }
}

data "azurerm_client_config" "current" {}
