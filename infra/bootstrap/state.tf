resource "azurerm_resource_group" "this" {
  name     = "rg-${var.name}-bootstrap"
  location = var.location
  tags     = local.tags
}

# Whoever holds the state holds the environments: no keys, every version kept, a lock. Microsoft's agents have no fixed
# addresses, so the way to it is open to the internet and Entra ID is the door.
resource "azurerm_storage_account" "state" {
  #checkov:skip=CKV_AZURE_59:Microsoft-hosted agents have no fixed addresses; Entra ID opens the account, keys are off
  #checkov:skip=CKV_AZURE_35:as above
  #checkov:skip=CKV_AZURE_33:queue_properties was removed in azurerm 5.0, and nothing uses queues
  #checkov:skip=CKV2_AZURE_33:a private endpoint needs agents inside the network, which are made after the state
  #checkov:skip=CKV2_AZURE_1:Microsoft's keys encrypt; the key of the state would have to stand outside of the state
  name                             = var.state_account
  resource_group_name              = azurerm_resource_group.this.name
  location                         = var.location
  account_tier                     = "Standard"
  account_replication_type         = "GZRS"
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  local_user_enabled               = false
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  allowed_copy_scope               = "AAD"
  tags                             = local.tags

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = 90
    }

    container_delete_retention_policy {
      days = 90
    }
  }

  sas_policy {
    expiration_period = "00.01:00:00"
    expiration_action = "Block"
  }
}

resource "azurerm_storage_container" "state" {
  #checkov:skip=CKV2_AZURE_21:there is no Log Analytics yet; the versions say what was written
  for_each = toset(concat(local.environments, ["bootstrap"]))

  name                  = each.key
  storage_account_id    = azurerm_storage_account.state.id
  container_access_type = "private"
}

resource "azurerm_management_lock" "state" {
  name       = "keep"
  scope      = azurerm_storage_account.state.id
  lock_level = "CanNotDelete"
  notes      = "State of all environments."
}
