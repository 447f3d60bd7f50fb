"""A Terraform plan in the form that the rules need."""

from collections.abc import Iterator


class Plan:
    """The managed resources of a plan, with their planned values."""

    def __init__(self, document: dict):
        self.resources = [resource for resource in document["resource_changes"] if resource["mode"] == "managed"]
        self.outputs = document.get("output_changes", {})

    def of_type(self, *types: str) -> Iterator[tuple[str, dict]]:
        """Yield the address and the planned values of each resource of the given types."""
        for resource in self.resources:
            if resource["type"] in types:
                yield resource["address"], resource["change"]["after"]

    def only(self, kind: str) -> dict:
        """Return the values of the only resource of a type."""
        ((_, values),) = self.of_type(kind)
        return values

    def id(self, kind: str) -> str:
        """Return the id that the mocks give to resources of a type."""
        return next(values["id"] for _, values in self.of_type(kind))

    @property
    def environment(self) -> str:
        """Name of the environment."""
        return self.only("azurerm_resource_group")["tags"]["environment"]

    @property
    def private(self) -> bool:
        """True if the environment has no public access."""
        return self.environment == "prod" or not self.only("azurerm_key_vault")["public_network_access_enabled"]
