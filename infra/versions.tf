terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
  }

  # env/<environment>.tfbackend adds the account and the container. Access is through Entra ID; account keys are disabled.
  backend "azurerm" {
    key              = "millrace.tfstate"
    use_azuread_auth = true
    use_oidc         = true
  }
}

# The subscription comes from ARM_SUBSCRIPTION_ID, which infra/Makefile takes from the Azure CLI.
provider "azurerm" {
  storage_use_azuread             = true
  resource_provider_registrations = "none" # by bootstrap/: registering is a right over the whole subscription

  features {
    key_vault {
      purge_soft_delete_on_destroy    = false
      recover_soft_deleted_key_vaults = true
    }
    machine_learning {
      purge_soft_deleted_workspace_on_destroy = false
    }
    log_analytics_workspace {
      permanently_delete_on_destroy = false
    }
    resource_group {
      prevent_deletion_if_contains_resources = true
    }
    storage {
      data_plane_available = false # an agent outside the network must be able to apply a private environment
    }
    application_insights {
      disable_generated_rule = true # its smart detection rule would be a resource that no code describes
    }
  }
}

data "azurerm_client_config" "current" {}
