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

run "no_keys" {
  assert {
    condition     = !azurerm_storage_account.this.shared_access_key_enabled && !azurerm_storage_account.this.local_user_enabled && !azurerm_container_registry.this.admin_enabled
    error_message = "Neither the storage account nor the registry may be opened by a key."
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.storage_account_access_type == "Identity" && azurerm_machine_learning_datastore_blobstorage.this.service_data_auth_identity == "WorkspaceUserAssignedIdentity"
    error_message = "The workspace and the data store must read as an identity."
  }

  assert {
    condition     = azurerm_key_vault.this.rbac_authorization_enabled && azurerm_key_vault.this.purge_protection_enabled
    error_message = "The vault must be opened by roles and protected from purging."
  }
}

run "jobs_have_two_roles" {
  assert {
    condition     = toset([for role in azurerm_role_assignment.cluster : role.role_definition_name]) == toset(["Storage Blob Data Contributor", "AcrPull"])
    error_message = "A job writes blobs and pulls its image, and nothing else."
  }
}

run "jobs_see_three_containers" {
  assert {
    condition = toset([for role in azurerm_role_assignment.cluster : role.scope if role.role_definition_name == "Storage Blob Data Contributor"]) == toset([
      for container in ["millrace", "azureml", "azureml-blobstore-00000000-0000-0000-0000-000000000008"] :
      "${azurerm_storage_account.this.id}/blobServices/default/containers/${container}"
    ])
    error_message = "A job must see the project's container and those of the workspace, not the whole account."
  }
}

run "data_scientists" {
  variables {
    data_scientists = {
      chain = { principal_id = "11111111-1111-1111-1111-111111111111" }
      team  = { principal_id = "22222222-2222-2222-2222-222222222222", principal_type = "Group" }
    }
  }

  assert {
    condition     = length(azurerm_role_assignment.data_scientist) == 6
    error_message = "Each data scientist has three roles."
  }

  assert {
    condition     = azurerm_role_assignment.data_scientist["team-workspace"].principal_type == "Group" && azurerm_role_assignment.data_scientist["chain-workspace"].role_definition_name == "AzureML Data Scientist"
    error_message = "A data scientist is what the variable says, and uses the workspace without owning it."
  }
}
