locals {
  roles = merge([
    for environment in local.environments : {
      # Plans only read. They take no lock on the state, because that would be a write.
      "${environment}-plan" = { identity = "${environment}-plan", role = "Reader", scope = local.subscriptions[environment] }
      "${environment}-plan-state" = {
        identity = "${environment}-plan", role = "Storage Blob Data Reader", scope = azurerm_storage_container.state[environment].id
      }
      "${environment}-apply-state" = {
        identity = "${environment}-apply", role = "Storage Blob Data Contributor", scope = azurerm_storage_container.state[environment].id
      }
    }
  ]...)

  # Roles that infra/ assigns. The applying identity may assign these roles only.
  given_roles = {
    "Contributor"                                     = "b24988ac-6180-42a0-ab88-20f7382dd24c"
    "Storage Blob Data Contributor"                   = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    "Storage File Data Privileged Contributor"        = "69566ab7-960f-475b-8e7c-b3118f30c6bd"
    "Key Vault Administrator"                         = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
    "AcrPull"                                         = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    "AzureML Data Scientist"                          = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
    "Azure AI Enterprise Network Connection Approver" = "b556d68e-0be0-4f35-a333-ad7ee1ce17ea"
  }
}

resource "azurerm_role_assignment" "this" {
  for_each = local.roles

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.this[each.value.identity].principal_id
  principal_type       = "ServicePrincipal"
}

# The permissions needed to apply infra/, and nothing else in the subscription.
resource "azurerm_role_definition" "apply" {
  for_each = local.subscriptions

  name        = "${var.name}-${each.key}-apply"
  description = "Creates and changes the resources that infra/ of ${var.name} describes."
  scope       = each.value

  permissions {
    actions = [
      "*/read",
      "Microsoft.Authorization/locks/*",
      "Microsoft.Consumption/budgets/*",
      "Microsoft.ContainerRegistry/registries/*",
      "Microsoft.Insights/actionGroups/*",
      "Microsoft.Insights/components/*",
      "Microsoft.Insights/diagnosticSettings/*",
      "Microsoft.Insights/metricAlerts/*",
      "Microsoft.Insights/scheduledQueryRules/*",
      "Microsoft.KeyVault/vaults/*",
      "Microsoft.KeyVault/locations/*",
      "Microsoft.MachineLearningServices/workspaces/*",
      "Microsoft.ManagedIdentity/userAssignedIdentities/*",
      "Microsoft.Network/networkSecurityGroups/*",
      "Microsoft.Network/privateDnsZones/*",
      "Microsoft.Network/privateEndpoints/*",
      "Microsoft.Network/virtualNetworks/*",
      "Microsoft.OperationalInsights/workspaces/*",
      "Microsoft.Resources/deployments/*",
      "Microsoft.Resources/subscriptions/resourceGroups/*",
      "Microsoft.Storage/storageAccounts/*",
    ]
  }
}

resource "azurerm_role_assignment" "apply" {
  for_each = local.subscriptions

  scope              = each.value
  role_definition_id = azurerm_role_definition.apply[each.key].role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.this["${each.key}-apply"].principal_id
  principal_type     = "ServicePrincipal"
}

locals {
  # Principals that infra/ gives roles to: the identities of the workspace and of the jobs, the chain's, and data_scientists.
  known_principals = {
    for environment, module in local.environment_modules : environment => concat(
      values(module.principal_ids),
      [azurerm_user_assigned_identity.this["${environment}-chain"].principal_id],
      sort(tolist(lookup(var.principal_ids, environment, []))),
    )
  }

  # Attributes of role assignments in conditions: learn.microsoft.com, "Authorization actions and attributes".
  conditions = {
    for environment in local.environments : environment => join(" AND ", [
      for action, source in { write = "Request", delete = "Resource" } : join("", [
        "(!(ActionMatches{'Microsoft.Authorization/roleAssignments/${action}'}) OR (",
        "@${source}[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${join(", ", values(local.given_roles))}}",
        " AND ",
        "@${source}[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAnyValues:GuidEquals {${join(", ", local.known_principals[environment])}}",
        "))",
      ])
    ])
  }
}

# The applying identity assigns roles in the environment's resource group only, these roles only, and to these principals only.
resource "azurerm_role_assignment" "apply_roles" {
  for_each = local.environment_modules

  scope                = each.value.resource_group_id
  role_definition_name = "Role Based Access Control Administrator"
  principal_id         = azurerm_user_assigned_identity.this["${each.key}-apply"].principal_id
  principal_type       = "ServicePrincipal"
  condition_version    = "2.0"
  condition            = local.conditions[each.key]
}
