mock_provider "azurerm" {
  source = "./tests/mocks"
}

variables {
  environment   = "dev"
  budget_amount = 100
  budget_start  = "2026-12-01"
  budget_exists = true # the tests do not depend on the date
  alert_emails  = ["ml-team@example.com"]
  gpu_cluster   = "gpu"
  cpu_cluster   = "cpu"
}

run "clusters" {
  variables {
    gpu_vm_size  = "Standard_NC24ads_A100_v4"
    max_nodes    = 7
    idle_seconds = 900
    vm_priority  = "spot"
  }

  assert {
    condition = alltrue([
      azurerm_machine_learning_compute_cluster.this["gpu"].vm_size == "Standard_NC24ads_A100_v4",
      azurerm_machine_learning_compute_cluster.this["gpu"].vm_priority == "LowPriority",
      azurerm_machine_learning_compute_cluster.this["gpu"].scale_settings[0].max_node_count == 7,
      output.vm_priority == "spot",
    ])
    error_message = "The GPU cluster must be as its variables say."
  }

  assert {
    condition     = azurerm_machine_learning_compute_cluster.this["cpu"].vm_priority == "Dedicated"
    error_message = "The CPU cluster builds images and must not be taken away while it does."
  }

  assert {
    condition = alltrue([
      for cluster in azurerm_machine_learning_compute_cluster.this :
      cluster.scale_settings[0].min_node_count == 0 && cluster.scale_settings[0].scale_down_nodes_after_idle_duration == "PT900S"
    ])
    error_message = "Every cluster must shrink to 0 after the idle time."
  }

  assert {
    condition = alltrue([
      for cluster in azurerm_machine_learning_compute_cluster.this :
      !cluster.local_auth_enabled && !cluster.ssh_public_access_enabled && length(cluster.ssh) == 0 && cluster.identity[0].type == "UserAssigned"
    ])
    error_message = "No cluster may have SSH or local accounts, and each has the user-assigned identity alone."
  }
}

run "former_name_of_spot" {
  variables {
    vm_priority = "low_priority"
  }

  assert {
    condition     = azurerm_machine_learning_compute_cluster.this["gpu"].vm_priority == "LowPriority" && output.vm_priority == "spot"
    error_message = "The former name must give spot nodes."
  }
}

run "dedicated_by_default" {
  assert {
    condition     = azurerm_machine_learning_compute_cluster.this["gpu"].vm_priority == "Dedicated" && output.vm_priority == "dedicated"
    error_message = "Nodes that can be evicted must be asked for."
  }
}
