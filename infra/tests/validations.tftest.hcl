# Every validation of every variable, with one case per kind of invalid value.

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

run "name_with_hyphen" {
  command = plan

  variables {
    name = "my-name"
  }

  expect_failures = [var.name]
}

run "name_too_long" {
  command = plan

  variables {
    name = "abcdefghijk"
  }

  expect_failures = [var.name]
}

run "name_starts_with_digit" {
  command = plan

  variables {
    name = "1abc"
  }

  expect_failures = [var.name]
}

run "environment_unknown" {
  command = plan

  variables {
    environment = "staging"
  }

  expect_failures = [var.environment]
}

run "suffix_too_long" {
  command = plan

  variables {
    suffix = "abcdef"
  }

  expect_failures = [var.suffix]
}

run "suffix_in_capitals" {
  command = plan

  variables {
    suffix = "ABC"
  }

  expect_failures = [var.suffix]
}

run "location_in_words" {
  command = plan

  variables {
    location = "West Europe"
  }

  expect_failures = [var.location]
}

run "tags_of_ours" {
  command = plan

  variables {
    tags = { environment = "x" }
  }

  expect_failures = [var.tags]
}

run "tags_too_many" {
  command = plan

  variables {
    tags = { for index in range(13) : "tag${index}" => "x" }
  }

  expect_failures = [var.tags]
}

run "datastore_with_hyphen" {
  command = plan

  variables {
    datastore = "my-store"
  }

  expect_failures = [var.datastore]
}

run "datastore_of_the_workspace" {
  command = plan

  variables {
    datastore = "workspaceblobstore"
  }

  expect_failures = [var.datastore]
}

run "container_too_short" {
  command = plan

  variables {
    container = "ab"
  }

  expect_failures = [var.container]
}

run "container_with_two_hyphens" {
  command = plan

  variables {
    container = "a--b"
  }

  expect_failures = [var.container]
}

run "principal_id_no_uuid" {
  command = plan

  variables {
    data_scientists = { me = { principal_id = "me@example.com" } }
  }

  expect_failures = [var.data_scientists]
}

run "principal_type_unknown" {
  command = plan

  variables {
    data_scientists = { me = { principal_id = "11111111-1111-1111-1111-111111111111", principal_type = "Robot" } }
  }

  expect_failures = [var.data_scientists]
}

run "gpu_cluster_starts_with_digit" {
  command = plan

  variables {
    gpu_cluster = "1gpu"
  }

  expect_failures = [var.gpu_cluster]
}

run "gpu_cluster_too_long" {
  command = plan

  variables {
    gpu_cluster = "abcdefghijklmnopqrstuvwxy"
  }

  expect_failures = [var.gpu_cluster]
}

run "gpu_vm_size_retired" {
  command = plan

  variables {
    gpu_vm_size = "Standard_NC6s_v3"
  }

  expect_failures = [var.gpu_vm_size]
}

run "gpu_vm_size_without_gpu" {
  command = plan

  variables {
    gpu_vm_size = "Standard_D4ds_v5"
  }

  expect_failures = [var.gpu_vm_size]
}

run "max_nodes_zero" {
  command = plan

  variables {
    max_nodes = 0
  }

  expect_failures = [var.max_nodes]
}

run "max_nodes_broken" {
  command = plan

  variables {
    max_nodes = 1.5
  }

  expect_failures = [var.max_nodes]
}

run "max_nodes_too_many" {
  command = plan

  variables {
    max_nodes = 101
  }

  expect_failures = [var.max_nodes]
}

run "idle_seconds_over_half_an_hour" {
  command = plan

  variables {
    idle_seconds = 1801
  }

  expect_failures = [var.idle_seconds]
}

run "idle_seconds_too_few" {
  command = plan

  variables {
    idle_seconds = 59
  }

  expect_failures = [var.idle_seconds]
}

run "idle_seconds_broken" {
  command = plan

  variables {
    idle_seconds = 60.5
  }

  expect_failures = [var.idle_seconds]
}

run "vm_priority_unknown" {
  command = plan

  variables {
    vm_priority = "preemptible"
  }

  expect_failures = [var.vm_priority]
}

run "cpu_cluster_is_gpu_cluster" {
  command = plan

  variables {
    cpu_cluster = "gpu-cluster"
  }

  expect_failures = [var.cpu_cluster]
}

run "cpu_cluster_ends_with_hyphen" {
  command = plan

  variables {
    cpu_cluster = "cpu-"
  }

  expect_failures = [var.cpu_cluster]
}

run "cpu_vm_size_without_disk" {
  command = plan

  variables {
    cpu_vm_size = "Standard_D4s_v5"
  }

  expect_failures = [var.cpu_vm_size]
}

run "cpu_vm_size_too_old" {
  command = plan

  variables {
    cpu_vm_size = "Standard_D4ds_v4"
  }

  expect_failures = [var.cpu_vm_size]
}

run "cpu_max_nodes_zero" {
  command = plan

  variables {
    cpu_max_nodes = 0
  }

  expect_failures = [var.cpu_max_nodes]
}

run "prod_public" {
  command = plan

  variables {
    environment = "prod"
    lock        = true
    private     = false
  }

  expect_failures = [var.private]
}

run "prod_unlocked" {
  command = plan

  variables {
    environment = "prod"
    private     = true
    lock        = false
  }

  expect_failures = [var.lock]
}

run "address_space_no_range" {
  command = plan

  variables {
    address_space = "10.40.0.0"
  }

  expect_failures = [var.address_space]
}

run "address_space_starts_inside" {
  command = plan

  variables {
    address_space = "10.40.0.1/24"
  }

  expect_failures = [var.address_space]
}

run "address_space_too_small" {
  command = plan

  variables {
    address_space = "10.40.0.0/27"
  }

  expect_failures = [var.address_space]
}

run "address_space_of_the_internet" {
  command = plan

  variables {
    address_space = "52.0.0.0/24"
  }

  expect_failures = [var.address_space]
}

run "hosts_without_private" {
  command = plan

  variables {
    allowed_fqdns = ["files.example.com"]
  }

  expect_failures = [var.allowed_fqdns]
}

run "host_with_scheme" {
  command = plan

  variables {
    private       = true
    allowed_fqdns = ["https://files.example.com/x"]
  }

  expect_failures = [var.allowed_fqdns]
}

run "storage_replication_unknown" {
  command = plan

  variables {
    storage_replication = "RAGRS2"
  }

  expect_failures = [var.storage_replication]
}

run "soft_delete_too_short" {
  command = plan

  variables {
    soft_delete_days = 6
  }

  expect_failures = [var.soft_delete_days]
}

run "soft_delete_too_long" {
  command = plan

  variables {
    soft_delete_days = 91
  }

  expect_failures = [var.soft_delete_days]
}

run "retention_too_short" {
  command = plan

  variables {
    retention_days = 29
  }

  expect_failures = [var.retention_days]
}

run "retention_too_long" {
  command = plan

  variables {
    retention_days = 731
  }

  expect_failures = [var.retention_days]
}

run "quota_without_cap" {
  command = plan

  variables {
    daily_quota_gb = -1
  }

  expect_failures = [var.daily_quota_gb]
}

run "quota_too_large" {
  command = plan

  variables {
    daily_quota_gb = 101
  }

  expect_failures = [var.daily_quota_gb]
}

run "budget_of_nothing" {
  command = plan

  variables {
    budget_amount = 0
  }

  expect_failures = [var.budget_amount]
}

run "budget_start_in_the_month" {
  command = plan

  variables {
    budget_start = "2026-12-02"
  }

  expect_failures = [var.budget_start]
}

run "budget_start_no_month" {
  command = plan

  variables {
    budget_start = "2026-13-01"
  }

  expect_failures = [var.budget_start]
}

run "nobody_told" {
  command = plan

  variables {
    alert_emails = []
  }

  expect_failures = [var.alert_emails]
}

run "told_no_address" {
  command = plan

  variables {
    alert_emails = ["ml-team"]
  }

  expect_failures = [var.alert_emails]
}

run "budget_in_the_past" {
  command = plan

  variables {
    budget_exists = false
    budget_start  = "2020-01-01"
  }

  expect_failures = [azurerm_consumption_budget_resource_group.this]
}

run "budget_in_the_far_future" {
  command = plan

  variables {
    budget_exists = false
    budget_start  = "2098-01-01"
  }

  expect_failures = [azurerm_consumption_budget_resource_group.this]
}

run "budget_that_cannot_exist" {
  command = plan

  variables {
    budget_start = "2098-01-01"
  }

  expect_failures = [var.budget_exists]
}

run "alert_on_every_error" {
  command = plan

  variables {
    alert_error_percent = 0
  }

  expect_failures = [var.alert_error_percent]
}

run "alert_above_the_timeout" {
  command = plan

  variables {
    alert_latency_ms = 200000
  }

  expect_failures = [var.alert_latency_ms]
}

run "alert_above_the_quota" {
  command = plan

  variables {
    alert_quota_percent = 110
  }

  expect_failures = [var.alert_quota_percent]
}

run "gpu_of_nvv3" {
  command = plan

  variables {
    gpu_vm_size = "Standard_NV12s_v3"
  }

  expect_failures = [var.gpu_vm_size]
}

run "gpu_of_nvv4" {
  command = plan

  variables {
    gpu_vm_size = "Standard_NV4as_v4"
  }

  expect_failures = [var.gpu_vm_size]
}

run "gpu_of_ndv2" {
  command = plan

  variables {
    gpu_vm_size = "Standard_ND40rs_v2"
  }

  expect_failures = [var.gpu_vm_size]
}
