"""A plan of Terraform, as rules read it."""

from collections.abc import Iterator


class Plan:
    """Resources of a plan, by type: the values that each would have."""

    def __init__(self, document: dict):
        self.resources = [one for one in document["resource_changes"] if one["mode"] == "managed"]
        self.outputs = document.get("output_changes", {})

    def of(self, *types: str) -> Iterator[tuple[str, dict]]:
        """Address and values of each resource of some types."""
        for one in self.resources:
            if one["type"] in types:
                yield one["address"], one["change"]["after"]

    def only(self, kind: str) -> dict:
        """Values of the one resource of a type."""
        ((_, values),) = self.of(kind)
        return values

    def id(self, kind: str) -> str:
        """Id that the resources of a type have in the mocks."""
        return next(values["id"] for _, values in self.of(kind))

    @property
    def environment(self) -> str:
        """Which environment this is."""
        return self.only("azurerm_resource_group")["tags"]["environment"]

    @property
    def private(self) -> bool:
        """Whether it is closed to the internet."""
        return self.environment == "prod" or not self.only("azurerm_key_vault")["public_network_access_enabled"]
