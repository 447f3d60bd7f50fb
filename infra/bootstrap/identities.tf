# Three identities for each environment: a pull request can plan but change nothing, and the chain, which runs data
# scientists' code, cannot touch infrastructure. Azure DevOps uses them by workload identity federation, without secrets.

locals {
  environments = ["dev", "test", "prod"]
  tags         = { project = var.name, managed_by = "terraform" }

  identities = merge([
    for environment in local.environments : {
      for stage in ["plan", "apply", "chain"] : "${environment}-${stage}" => { environment = environment, stage = stage }
    }
  ]...)

  subscriptions = {
    for environment in local.environments : environment =>
    "/subscriptions/${lookup(var.subscription_ids, environment, data.azurerm_client_config.current.subscription_id)}"
  }
}

resource "azurerm_user_assigned_identity" "this" {
  for_each = local.identities

  name                = "id-${var.name}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "this" {
  for_each = var.service_connections

  name                      = "azure-devops"
  user_assigned_identity_id = azurerm_user_assigned_identity.this[each.key].id
  issuer                    = each.value.issuer
  subject                   = each.value.subject
  audience                  = ["api://AzureADTokenExchange"]
}
