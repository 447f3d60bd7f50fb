resource "azurerm_resource_group" "this" {
  name     = "rg-${var.name}-bootstrap"
  location = var.location
  tags     = local.tags
}

# The state gives control over the environments: no account keys, every version kept, a lock. Microsoft-hosted agents have no
# fixed addresses, so the account is reachable from the internet and protected by Entra ID.
resource "azurerm_storage_account" "state" {
  #checkov:skip=CKV_AZURE_59:Microsoft-hosted agents have no fixed addresses; access is through Entra ID, keys are disabled
  #checkov:skip=CKV_AZURE_35:as above
  #checkov:skip=CKV_AZURE_33:queue_properties was removed in azurerm 5.0, and nothing uses queues
  #checkov:skip=CKV2_AZURE_33:a private endpoint needs agents inside the network, which are created after the state
  #checkov:skip=CKV2_AZURE_1:Microsoft's keys encrypt; the key of the state would have to be managed outside the state
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
  #checkov:skip=CKV2_AZURE_21:Log Analytics does not exist yet; blob versions record what was written
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
