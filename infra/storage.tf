resource "azurerm_storage_account" "this" {
  #checkov:skip=CKV_AZURE_33:queue_properties was removed in azurerm 5.0, and nothing uses queues
  #checkov:skip=CKV_AZURE_43:the name ends in a hash that checkov cannot work out; tests/operations.tftest.hcl holds it to the rules
  #checkov:skip=CKV2_AZURE_1:Microsoft's keys encrypt; a customer-managed key is a choice for life that brings a key to lose
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

  # The workspace writes through Azure's trusted services where the public way is closed.
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

  # A signature needs a key, and there is none in use; the policy holds should that ever change.
  sas_policy {
    expiration_period = "00.01:00:00"
    expiration_action = "Block"
  }
}

resource "azurerm_storage_container" "this" {
  #checkov:skip=CKV2_AZURE_21:reads are logged, by azurerm_monitor_diagnostic_setting, which the check does not know
  name                  = var.container
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
}

# Without this, every model overwritten is kept, and paid for, for ever.
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
