# Each output is a parameter of run_all.py with the same name, so that `terraform output -json` can be passed as a
# parameter file. No output is a secret.

output "subscription_id" {
  description = "Subscription that holds the workspace."
  value       = data.azurerm_client_config.current.subscription_id
}

output "resource_group" {
  description = "Resource group that holds the workspace."
  value       = azurerm_resource_group.this.name
}

output "workspace_name" {
  description = "Name of the Azure ML workspace."
  value       = azurerm_machine_learning_workspace.this.name
}

output "location" {
  description = "Region of the workspace."
  value       = azurerm_machine_learning_workspace.this.location
}

output "datastore" {
  description = "Name of the registered datastore."
  value       = azurerm_machine_learning_datastore_blobstorage.this.name
}

output "storage_account" {
  description = "Storage account behind the datastore."
  value       = azurerm_storage_account.this.name
}

output "container" {
  description = "Blob container behind the datastore."
  value       = azurerm_storage_container.this.name
}

output "gpu_cluster" {
  description = "Name of the GPU cluster."
  value       = azurerm_machine_learning_compute_cluster.this[var.gpu_cluster].name
}

output "gpu_vm_size" {
  description = "VM size of the GPU cluster's nodes."
  value       = azurerm_machine_learning_compute_cluster.this[var.gpu_cluster].vm_size
}

output "cpu_cluster" {
  description = "Name of the CPU cluster."
  value       = azurerm_machine_learning_compute_cluster.this[var.cpu_cluster].name
}

output "max_nodes" {
  description = "Maximum number of GPU nodes."
  value       = azurerm_machine_learning_compute_cluster.this[var.gpu_cluster].scale_settings[0].max_node_count
}

output "vm_priority" {
  description = "Priority of the GPU nodes: dedicated or spot."
  value       = var.vm_priority == "dedicated" ? "dedicated" : "spot"
}

output "idle_seconds" {
  description = "Seconds a node may idle before the cluster releases it."
  value       = var.idle_seconds
}

output "managed_identity" {
  description = "Resource id of the identity that jobs on the clusters use."
  value       = azurerm_user_assigned_identity.cluster.id
}
