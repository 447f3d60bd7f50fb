resource "azurerm_storage_account" "this" {
  #checkov:skip=CKV_AZURE_33:queue_properties was removed in azurerm 5.0, and nothing uses queues
  #checkov:skip=CKV_AZURE_43:checkov cannot evaluate the hash at the end of the name; tests/operations.tftest.hcl checks the naming rules
  #checkov:skip=CKV2_AZURE_1:Microsoft-managed keys encrypt the data; a customer-managed key cannot be given up later and can be lost
  name                             = "st${local.compact}"
  resource_group_name              = azurerm_resource_group.this.name
  location                         = var.location
  account_tier                     = "Standard"
  account_replication_type         = var.storage_replication
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  local_user_enabled               = false
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  allowed_copy_scope               = "AAD"
  public_network_access_enabled    = local.public
  tags                             = local.tags

  # With public access off, the workspace writes through Azure's trusted services.
  network_rules {
    default_action = var.private ? "Deny" : "Allow"
    bypass         = ["AzureServices"]
  }

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = var.soft_delete_days
    }

    container_delete_retention_policy {
      days = var.soft_delete_days
    }
  }

  # A SAS token needs an account key, and keys are disabled; the policy applies if that ever changes.
  sas_policy {
    expiration_period = "00.01:00:00"
    expiration_action = "Block"
  }
}

resource "azurerm_storage_container" "this" {
  #checkov:skip=CKV2_AZURE_21:azurerm_monitor_diagnostic_setting logs reads, which this check does not recognise
  name                  = var.container
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
}

# Without this rule, every overwritten model version is stored, and billed, forever.
resource "azurerm_storage_management_policy" "this" {
  storage_account_id = azurerm_storage_account.this.id

  rule {
    name    = "old-versions"
    enabled = true

    filters {
      blob_types = ["blockBlob"]
    }

    actions {
      version {
        delete_after_days_since_creation = 90
      }
    }
  }
}
