locals {
  # The longest period that Azure accepts protects the secrets of prod. It costs nothing, and cannot be changed later.
  vault_soft_delete_days = var.environment == "prod" ? 90 : var.soft_delete_days
}

resource "azurerm_key_vault" "this" {
  name                          = "kv-${local.stem}-${local.suffix}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = local.vault_soft_delete_days
  public_network_access_enabled = local.public
  tags                          = local.tags

  network_acls {
    default_action = var.private ? "Deny" : "Allow"
    bypass         = "AzureServices"
  }
}
