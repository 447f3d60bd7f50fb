output "state_account" {
  description = "Storage account of the state, for env/*.tfbackend."
  value       = azurerm_storage_account.state.name
}

output "identities" {
  description = "For each service connection: the client id that Azure DevOps asks for, and the principal id that data_scientists takes for <environment>-chain."
  value = {
    for name, one in azurerm_user_assigned_identity.this : name => { client_id = one.client_id, principal_id = one.principal_id }
  }
}

output "tenant_id" {
  description = "Tenant that the service connections are made in."
  value       = data.azurerm_client_config.current.tenant_id
}
