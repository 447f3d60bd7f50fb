output "state_account" {
  description = "Storage account of the state; used in env/*.tfbackend."
  value       = azurerm_storage_account.state.name
}

output "identities" {
  description = "For each service connection: the client id for Azure DevOps, and the principal id, which data_scientists needs for <environment>-chain."
  value = {
    for name, one in azurerm_user_assigned_identity.this : name => { client_id = one.client_id, principal_id = one.principal_id }
  }
}

output "adopted" {
  description = "For each environment: the resources that infra/ takes over with `make -C infra adopt`, by their addresses there."
  value = {
    for environment, module in local.environment_modules : environment => merge(
      { "azurerm_resource_group.this" = module.resource_group_id },
      { for purpose, id in module.identity_ids : "azurerm_user_assigned_identity.${purpose}" => id },
    )
  }
}

output "tenant_id" {
  description = "Tenant of the service connections."
  value       = data.azurerm_client_config.current.tenant_id
}
