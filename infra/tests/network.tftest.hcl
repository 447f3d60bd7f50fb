mock_provider "azurerm" {
  source = "./tests/mocks"
}

variables {
  environment   = "dev"
  budget_amount = 100
  budget_start  = "2026-12-01"
  budget_exists = true # the tests do not depend on the date
  alert_emails  = ["ml-team@example.com"]
}

run "public" {
  assert {
    condition = alltrue([
      azurerm_machine_learning_workspace.this.public_network_access_enabled,
      azurerm_storage_account.this.public_network_access_enabled,
      azurerm_key_vault.this.public_network_access_enabled,
      azurerm_container_registry.this.public_network_access_enabled,
    ])
    error_message = "A public environment must be within reach."
  }

  assert {
    condition     = length(azurerm_virtual_network.this) == 0 && length(azurerm_private_endpoint.this) == 0 && length(azurerm_private_dns_zone.this) == 0
    error_message = "A public environment must not pay for a network."
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.managed_network[0].isolation_mode == "AllowInternetOutbound" && azurerm_container_registry.this.sku == "Basic"
    error_message = "A public environment must have the managed network of a private one, and needs no Premium registry."
  }
}

run "private" {
  variables {
    private = true
  }

  assert {
    condition = !anytrue([
      azurerm_machine_learning_workspace.this.public_network_access_enabled,
      azurerm_storage_account.this.public_network_access_enabled,
      azurerm_key_vault.this.public_network_access_enabled,
      azurerm_container_registry.this.public_network_access_enabled,
      anytrue([for cluster in azurerm_machine_learning_compute_cluster.this : cluster.node_public_ip_enabled]),
    ])
    error_message = "The one switch must close every public way."
  }

  assert {
    condition     = toset([for endpoint in azurerm_private_endpoint.this : one(endpoint.private_service_connection[0].subresource_names)]) == toset(["amlworkspace", "blob", "file", "vault", "registry"])
    error_message = "There must be an endpoint for the workspace, blobs, files, the vault and the registry."
  }

  assert {
    condition = toset([for zone in azurerm_private_dns_zone.this : zone.name]) == toset([
      "privatelink.api.azureml.ms", "privatelink.notebooks.azure.net", "privatelink.blob.core.windows.net",
      "privatelink.file.core.windows.net", "privatelink.vaultcore.azure.net", "privatelink.azurecr.io",
    ])
    error_message = "There must be the six zones that Azure answers for these endpoints."
  }

  assert {
    condition     = length(azurerm_private_endpoint.this["workspace"].private_dns_zone_group[0].private_dns_zone_ids) == 2
    error_message = "The endpoint of the workspace needs two zones: api and notebooks."
  }

  assert {
    condition     = length(azurerm_private_dns_zone_virtual_network_link.this) == 6 && azurerm_subnet_network_security_group_association.endpoints[0].subnet_id == azurerm_subnet.endpoints[0].id
    error_message = "Every zone must be linked to the network, and the subnet have its security group."
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.managed_network[0].isolation_mode == "AllowInternetOutbound" && azurerm_machine_learning_workspace.this.managed_network[0].provision_on_creation_enabled
    error_message = "Jobs must run in the managed network, made with the workspace."
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.image_build_compute_name == "cpu-cluster"
    error_message = "A private registry needs a cluster that builds images."
  }

  assert {
    condition     = length([for role in azurerm_role_assignment.workspace : role if role.role_definition_name == "Azure AI Enterprise Network Connection Approver"]) == 3
    error_message = "The workspace must be able to approve its endpoints on the storage account, the vault and the registry."
  }
}

run "approved_hosts_only" {
  variables {
    private       = true
    allowed_fqdns = ["files.example.com", "*.example.org"]
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.managed_network[0].isolation_mode == "AllowOnlyApprovedOutbound"
    error_message = "A set of hosts must close the way to all others."
  }

  assert {
    condition     = toset([for rule in azurerm_machine_learning_workspace_network_outbound_rule_fqdn.this : rule.name]) == toset(["files-example-com", "any-example-org"])
    error_message = "Each host must have a rule with a name that Azure takes."
  }
}

run "no_host_at_all" {
  variables {
    private       = true
    allowed_fqdns = []
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.managed_network[0].isolation_mode == "AllowOnlyApprovedOutbound" && length(azurerm_machine_learning_workspace_network_outbound_rule_fqdn.this) == 0
    error_message = "An empty set must close the way to all hosts, without a firewall."
  }
}
