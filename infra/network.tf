# The network of a private environment: one subnet with the five private endpoints for people and agents. Jobs run in the
# workspace's managed network, which has its own endpoints.

locals {
  # Six zones for five endpoints: the workspace's endpoint needs two.
  zones = !var.private ? {} : {
    api       = "privatelink.api.azureml.ms"
    notebooks = "privatelink.notebooks.azure.net"
    blob      = "privatelink.blob.core.windows.net"
    file      = "privatelink.file.core.windows.net"
    vault     = "privatelink.vaultcore.azure.net"
    registry  = "privatelink.azurecr.io"
  }

  endpoints = !var.private ? {} : {
    workspace = { target = azurerm_machine_learning_workspace.this.id, part = "amlworkspace", zones = ["api", "notebooks"] }
    blob      = { target = azurerm_storage_account.this.id, part = "blob", zones = ["blob"] }
    file      = { target = azurerm_storage_account.this.id, part = "file", zones = ["file"] }
    vault     = { target = azurerm_key_vault.this.id, part = "vault", zones = ["vault"] }
    registry  = { target = azurerm_container_registry.this.id, part = "registry", zones = ["registry"] }
  }
}

resource "azurerm_virtual_network" "this" {
  count = var.private ? 1 : 0

  name                = "vnet-${local.stem}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  address_space       = [var.address_space]
  tags                = local.tags
}

resource "azurerm_subnet" "endpoints" {
  count = var.private ? 1 : 0

  name                              = "endpoints"
  resource_group_name               = azurerm_resource_group.this.name
  virtual_network_name              = azurerm_virtual_network.this[0].name
  address_prefixes                  = [cidrsubnet(var.address_space, 1, 0)]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = "Enabled" # else the security group below is not applied to endpoints
}

resource "azurerm_network_security_group" "endpoints" {
  count = var.private ? 1 : 0

  name                = "nsg-${local.stem}-endpoints"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags

  security_rule {
    name                       = "https-from-the-network"
    description                = "Clients in this network and in those peered to it."
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefix      = "VirtualNetwork"
    source_port_range          = "*"
    destination_address_prefix = "VirtualNetwork"
    destination_port_ranges    = ["443", "445"] # 445: the file share of the studio's notebooks
  }

  security_rule {
    name                       = "nothing-else"
    description                = "Azure's default rules would let the whole network in on every port."
    priority                   = 4000
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }
}

resource "azurerm_subnet_network_security_group_association" "endpoints" {
  count = var.private ? 1 : 0

  subnet_id                 = azurerm_subnet.endpoints[0].id
  network_security_group_id = azurerm_network_security_group.endpoints[0].id
}

resource "azurerm_private_dns_zone" "this" {
  for_each = local.zones

  name                = each.value
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = local.zones

  name                 = each.key
  private_dns_zone_id  = azurerm_private_dns_zone.this[each.key].id
  virtual_network_id   = azurerm_virtual_network.this[0].id
  registration_enabled = false
  tags                 = local.tags
}

resource "azurerm_private_endpoint" "this" {
  for_each = local.endpoints

  name                = "pe-${local.stem}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  subnet_id           = azurerm_subnet.endpoints[0].id
  tags                = local.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.target
    subresource_names              = [each.value.part]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [for zone in each.value.zones : azurerm_private_dns_zone.this[zone].id]
  }
}
