# Two identities: one for the workspace, one for jobs. Every role is assigned on one resource, never on the resource group.

resource "azurerm_user_assigned_identity" "workspace" {
  name                = "id-${local.stem}-workspace"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_user_assigned_identity" "cluster" {
  name                = "id-${local.stem}-cluster"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

locals {
  # Roles required for a workspace with a user-assigned identity (how-to-identity-based-service-authentication):
  # Contributor on each of its four resources, and data access to two of them. With less, creating the workspace fails.
  workspace_roles = {
    storage      = { role = "Contributor", scope = azurerm_storage_account.this.id }
    storage_data = { role = "Storage Blob Data Contributor", scope = azurerm_storage_account.this.id }
    vault        = { role = "Contributor", scope = azurerm_key_vault.this.id }
    vault_data   = { role = "Key Vault Administrator", scope = azurerm_key_vault.this.id }
    registry     = { role = "Contributor", scope = azurerm_container_registry.this.id }
    insights     = { role = "Contributor", scope = azurerm_application_insights.this.id }
  }

  # The managed network creates private endpoints on these resources, and the workspace approves them.
  approver_scopes = !var.private ? {} : {
    storage_endpoint  = azurerm_storage_account.this.id
    vault_endpoint    = azurerm_key_vault.this.id
    registry_endpoint = azurerm_container_registry.this.id
  }

  approver_roles = {
    for name, scope in local.approver_scopes :
    name => { role = "Azure AI Enterprise Network Connection Approver", scope = scope }
  }

  containers = "${azurerm_storage_account.this.id}/blobServices/default/containers"

  # A job reads tables, writes models and pulls its image. It sees the project's container and the two in which the workspace
  # keeps code, logs and outputs of jobs, not the whole account.
  cluster_roles = {
    storage_data = { role = "Storage Blob Data Contributor", scope = "${local.containers}/${azurerm_storage_container.this.name}" }
    artifacts    = { role = "Storage Blob Data Contributor", scope = "${local.containers}/azureml" }
    code         = { role = "Storage Blob Data Contributor", scope = "${local.containers}/azureml-blobstore-${azurerm_machine_learning_workspace.this.workspace_id}" }
    registry     = { role = "AcrPull", scope = azurerm_container_registry.this.id }
  }

  # With identity-based storage, the studio reads blobs and notebooks as the signed-in user.
  data_scientist_roles = {
    workspace     = { role = "AzureML Data Scientist", scope = azurerm_machine_learning_workspace.this.id }
    storage_data  = { role = "Storage Blob Data Contributor", scope = azurerm_storage_account.this.id }
    storage_files = { role = "Storage File Data Privileged Contributor", scope = azurerm_storage_account.this.id }
  }

  data_scientist_grants = merge([
    for person, who in var.data_scientists : {
      for name, one in local.data_scientist_roles : "${person}-${name}" => merge(one, who)
    }
  ]...)
}

resource "azurerm_role_assignment" "workspace" {
  for_each = merge(local.workspace_roles, local.approver_roles)

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.workspace.principal_id
  principal_type       = "ServicePrincipal"
}

# Separate from the other roles, because the workspace must exist first.
resource "azurerm_role_assignment" "workspace_itself" {
  scope                = azurerm_machine_learning_workspace.this.id
  role_definition_name = "Contributor"
  principal_id         = azurerm_user_assigned_identity.workspace.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "cluster" {
  for_each = local.cluster_roles

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "data_scientist" {
  for_each = local.data_scientist_grants

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = each.value.principal_id
  principal_type       = each.value.principal_type
}
