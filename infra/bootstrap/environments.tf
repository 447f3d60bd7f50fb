# The resource group and the two identities of each environment exist before infra/ is applied, so that the applying identity's
# right to assign roles can name them. `make -C infra adopt` takes them into the environment's state.

module "dev" {
  source    = "./environment"
  providers = { azurerm = azurerm.dev }

  name        = var.name
  environment = "dev"
  location    = var.location
}

module "test" {
  source    = "./environment"
  providers = { azurerm = azurerm.test }

  name        = var.name
  environment = "test"
  location    = var.location
}

module "prod" {
  source    = "./environment"
  providers = { azurerm = azurerm.prod }

  name        = var.name
  environment = "prod"
  location    = var.location
}

locals {
  environment_modules = { dev = module.dev, test = module.test, prod = module.prod }
}
