# Only Premium has private endpoints, zone redundancy and retention; it costs ten times as much as Basic.
resource "azurerm_container_registry" "this" {
  #checkov:skip=CKV_AZURE_164:trust_policy_enabled was removed in azurerm 5.0, because Azure retires content trust
  #checkov:skip=CKV_AZURE_165:a second region is useful only if images are pulled there
  #checkov:skip=CKV_AZURE_166:quarantine blocks every image until a custom scanner releases it
  name                          = "cr${local.compact}"
  resource_group_name           = azurerm_resource_group.this.name
  location                      = var.location
  sku                           = var.private ? "Premium" : "Basic"
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = local.public
  network_rule_bypass_option    = "AzureServices"
  zone_redundancy_enabled       = var.private
  data_endpoint_enabled         = var.private
  retention_policy_in_days      = var.private ? 30 : null
  export_policy_enabled         = local.public
  tags                          = local.tags
}
