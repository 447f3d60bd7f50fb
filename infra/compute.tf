locals {
  clusters = {
    (var.gpu_cluster) = { vm_size = var.gpu_vm_size, max_nodes = var.max_nodes, priority = var.vm_priority }
    (var.cpu_cluster) = { vm_size = var.cpu_vm_size, max_nodes = var.cpu_max_nodes, priority = "dedicated" }
  }
}

# Nearly every change replaces the cluster, and jobs on the old one are lost.
resource "azurerm_machine_learning_compute_cluster" "this" {
  for_each = local.clusters

  name                          = each.key
  machine_learning_workspace_id = azurerm_machine_learning_workspace.this.id
  location                      = var.location
  vm_size                       = each.value.vm_size
  vm_priority                   = each.value.priority == "dedicated" ? "Dedicated" : "LowPriority" # the API's name of spot
  local_auth_enabled            = false
  ssh_public_access_enabled     = false
  node_public_ip_enabled        = local.public
  tags                          = local.tags

  scale_settings {
    min_node_count                       = 0
    max_node_count                       = each.value.max_nodes
    scale_down_nodes_after_idle_duration = "PT${var.idle_seconds}S"
  }

  # User-assigned only: the provider accepts an additional system-assigned identity, but Azure refuses the combination.
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }

  depends_on = [azurerm_role_assignment.cluster]
}
