resource "azurerm_machine_learning_workspace" "this" {
  name                           = "mlw-${local.stem}"
  resource_group_name            = azurerm_resource_group.this.name
  location                       = var.location
  application_insights_id        = azurerm_application_insights.this.id
  key_vault_id                   = azurerm_key_vault.this.id
  storage_account_id             = azurerm_storage_account.this.id
  container_registry_id          = azurerm_container_registry.this.id
  storage_account_access_type    = "Identity"
  public_network_access_enabled  = local.public
  primary_user_assigned_identity = azurerm_user_assigned_identity.workspace.id
  # Azure's image builder cannot reach a private registry. Refer to the cluster by name: it is created after the workspace.
  image_build_compute_name = var.private ? var.cpu_cluster : null
  tags                     = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.workspace.id]
  }

  managed_network {
    # The same kind of network in every environment: what works in dev works in prod. It costs nothing while no job runs.
    isolation_mode                = var.allowed_fqdns == null ? "AllowInternetOutbound" : "AllowOnlyApprovedOutbound"
    provision_on_creation_enabled = true # else the first job waits half an hour for it
  }

  # Azure checks the identity's permissions while it creates the workspace.
  depends_on = [azurerm_role_assignment.workspace]
}

resource "azurerm_machine_learning_workspace_network_outbound_rule_fqdn" "this" {
  for_each = coalesce(var.allowed_fqdns, [])

  name             = replace(replace(each.value, ".", "-"), "*", "any")
  workspace_id     = azurerm_machine_learning_workspace.this.id
  destination_fqdn = each.value
}

# No account key: the workspace reads with its own identity, a job with its cluster's identity.
resource "azurerm_machine_learning_datastore_blobstorage" "this" {
  name                       = var.datastore
  workspace_id               = azurerm_machine_learning_workspace.this.id
  storage_container_id       = azurerm_storage_container.this.id
  service_data_auth_identity = "WorkspaceUserAssignedIdentity"
  tags                       = local.tags
}
