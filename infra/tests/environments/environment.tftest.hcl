# An environment as described by its .tfvars file. infra/Makefile runs this for every environment, private and public:
#   terraform test -test-directory=tests/environments -var-file=env/dev.tfvars -var=private=true

mock_provider "azurerm" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  budget_exists = true # the tests do not depend on the date
}

run "environment" {
  command = plan

  assert {
    condition     = length(azurerm_private_endpoint.this) == (var.private ? 5 : 0) && length(azurerm_private_dns_zone.this) == (var.private ? 6 : 0)
    error_message = "A private environment has five endpoints and six zones, a public one none."
  }

  assert {
    condition     = length(azurerm_machine_learning_compute_cluster.this) == 2
    error_message = "There must be a GPU and a CPU cluster."
  }

  assert {
    condition     = length(azurerm_management_lock.this) == (var.lock ? 3 : 0)
    error_message = "Where locked, the storage account, the vault and the registry are; nothing else is."
  }
}
