mock_provider "azurerm" {
  source = "./tests/mocks"
}

mock_provider "azurerm" {
  alias  = "dev"
  source = "./tests/mocks"
}

mock_provider "azurerm" {
  alias  = "test"
  source = "./tests/mocks"
}

mock_provider "azurerm" {
  alias  = "prod"
  source = "./tests/mocks"
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

  assert {
    condition     = alltrue([for role in azurerm_role_assignment.apply_roles : endswith(role.scope, "/resourceGroups/rg-mock")])
    error_message = "Whoever applies may give roles in the environment's resource group only."
  }

  assert {
    condition = alltrue([
      for role in azurerm_role_assignment.apply_roles :
      strcontains(role.condition, "@Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAnyValues:GuidEquals {00000000-0000-0000-0000-000000000006,") &&
      strcontains(role.condition, "@Resource[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAnyValues:GuidEquals {00000000-0000-0000-0000-000000000006,")
    ])
    error_message = "Whoever applies may give roles to the project's principals only."
  }

  assert {
    condition     = alltrue([for addresses in output.adopted : toset(keys(addresses)) == toset(["azurerm_resource_group.this", "azurerm_user_assigned_identity.workspace", "azurerm_user_assigned_identity.cluster"])])
    error_message = "infra/ must take over the resource group and the two identities."
  }
}

run "principals" {
  variables {
    principal_ids = { dev = ["44444444-4444-4444-4444-444444444444"] }
  }

  assert {
    condition     = strcontains(azurerm_role_assignment.apply_roles["dev"].condition, "44444444-4444-4444-4444-444444444444") && !strcontains(azurerm_role_assignment.apply_roles["prod"].condition, "44444444")
    error_message = "A data scientist of dev may get roles in dev and in no other environment."
  }

  assert {
    condition     = length(azurerm_role_assignment.apply_roles["dev"].condition) < 8192
    error_message = "Azure accepts conditions of up to 8 KB."
  }
}

run "principals_of_no_environment" {
  command = plan

  variables {
    principal_ids = { staging = ["44444444-4444-4444-4444-444444444444"] }
  }

  expect_failures = [var.principal_ids]
}

run "principal_by_name" {
  command = plan

  variables {
    principal_ids = { dev = ["ada@example.com"] }
  }

  expect_failures = [var.principal_ids]
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
