mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = {
      subscription_id = "00000000-0000-0000-0000-000000000003"
      tenant_id       = "00000000-0000-0000-0000-000000000004"
    }
  }

  mock_resource "azurerm_storage_account" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg-mock/providers/Microsoft.Storage/storageAccounts/stmock"
    }
  }

  mock_resource "azurerm_storage_container" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg-mock/providers/Microsoft.Storage/storageAccounts/stmock/blobServices/default/containers/mock"
    }
  }

  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id           = "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg-mock/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-mock"
      client_id    = "00000000-0000-0000-0000-000000000005"
      principal_id = "00000000-0000-0000-0000-000000000006"
    }
  }

  mock_resource "azurerm_role_definition" {
    defaults = {
      role_definition_resource_id = "/subscriptions/00000000-0000-0000-0000-000000000003/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-0000-0000-000000000007"
    }
  }
}

run "first" {
  assert {
    condition     = length(azurerm_user_assigned_identity.this) == 9 && length(azurerm_federated_identity_credential.this) == 0
    error_message = "Each environment must have identities to plan, to apply and for the chain, before Azure DevOps knows of them."
  }

  assert {
    condition     = !azurerm_storage_account.state.shared_access_key_enabled && azurerm_storage_account.state.blob_properties[0].versioning_enabled && azurerm_storage_account.state.blob_properties[0].delete_retention_policy[0].days == 90
    error_message = "The state must have no keys and keep its versions."
  }

  assert {
    condition     = toset(keys(azurerm_storage_container.state)) == toset(["dev", "test", "prod", "bootstrap"])
    error_message = "Each environment must have a container of its own, and so must bootstrap."
  }

  assert {
    condition     = alltrue([for name, role in azurerm_role_assignment.this : !endswith(name, "-plan") || role.role_definition_name == "Reader"]) && length([for name in keys(azurerm_role_assignment.this) : name if strcontains(name, "chain")]) == 0
    error_message = "Planning must be to read, and the chain have no role here."
  }

  assert {
    condition     = alltrue([for role in azurerm_role_assignment.apply_roles : strcontains(role.condition, "ba92f5b4-2d11-453d-a403-e96b0029c9fe") && !strcontains(role.condition, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635")])
    error_message = "Whoever applies may give the roles of infra/, and never Owner."
  }
}

run "connected" {
  variables {
    service_connections = {
      dev-plan   = { issuer = "https://vstoken.dev.azure.com/11111111-1111-1111-1111-111111111111", subject = "sc://contoso/ml/millrace-dev-plan" }
      prod-chain = { issuer = "https://login.microsoftonline.com/22222222-2222-2222-2222-222222222222/v2.0", subject = "/eid1/c/pub/t/abc/a/def/sc/11111111/22222222" }
    }
    subscription_ids = { prod = "33333333-3333-3333-3333-333333333333" }
  }

  assert {
    condition     = length(azurerm_federated_identity_credential.this) == 2 && azurerm_federated_identity_credential.this["dev-plan"].audience == tolist(["api://AzureADTokenExchange"])
    error_message = "Each service connection must have its credential."
  }

  assert {
    condition     = azurerm_role_definition.apply["prod"].scope == "/subscriptions/33333333-3333-3333-3333-333333333333" && azurerm_role_definition.apply["dev"].scope == "/subscriptions/00000000-0000-0000-0000-000000000003"
    error_message = "An environment must be in the subscription that is given, or in the one of bootstrap."
  }
}

run "name_with_hyphen" {
  command = plan

  variables {
    name = "my-name"
  }

  expect_failures = [var.name]
}

run "location_in_words" {
  command = plan

  variables {
    location = "West Europe"
  }

  expect_failures = [var.location]
}

run "state_account_with_hyphen" {
  command = plan

  variables {
    state_account = "my-state"
  }

  expect_failures = [var.state_account]
}

run "subscription_of_no_environment" {
  command = plan

  variables {
    subscription_ids = { staging = "33333333-3333-3333-3333-333333333333" }
  }

  expect_failures = [var.subscription_ids]
}

run "subscription_by_name" {
  command = plan

  variables {
    subscription_ids = { dev = "Pay-As-You-Go" }
  }

  expect_failures = [var.subscription_ids]
}

run "connection_of_no_stage" {
  command = plan

  variables {
    service_connections = { dev-check = { issuer = "https://vstoken.dev.azure.com/11111111-1111-1111-1111-111111111111", subject = "sc://contoso/ml/x" } }
  }

  expect_failures = [var.service_connections]
}

run "issuer_of_somebody_else" {
  command = plan

  variables {
    service_connections = { dev-plan = { issuer = "https://token.example.com", subject = "sc://contoso/ml/x" } }
  }

  expect_failures = [var.service_connections]
}

run "subject_of_somebody_else" {
  command = plan

  variables {
    service_connections = { dev-plan = { issuer = "https://vstoken.dev.azure.com/11111111-1111-1111-1111-111111111111", subject = "repo:contoso/ml" } }
  }

  expect_failures = [var.service_connections]
}
