"""MLTable folders: the tables of AutoML searches in SDK version 2."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = "MLTable"


class TableNotReadable(Exception):
    """A table that a search cannot read, with the message of its job."""


@dataclass(frozen=True)
class Source:
    """The address of an MLTable folder, and the kind of identity that reads it; None for the datastore's key."""

    address: str
    identity: str | None

    def download(self, azure, folder: Path) -> list[str]:
        """Download the folder into `folder`, and return the paths of the Parquet files that its MLTable file names."""
        match = re.search(r"datastores/([^/]+)/paths/(.+)$", self.address)
        if not match or match[1] not in azure.store.datastores:
            raise TableNotReadable(f"no datastore holds {self.address}")
        section = azure.store.datastores[match[1]]["azureStorageSection"]
        if not section.get("credential") and self.identity != "Managed":
            raise TableNotReadable(
                f"ScriptExecution.StreamAccess.Authentication: the datastore {match[1]} has no credential, and the job "
                "has no managed identity."
            )
        azure.blobs.download(section["containerName"], match[2].strip("/"), folder)
        table = folder / match[2].strip("/").rpartition("/")[2]
        if not (table / FILE).is_file():
            raise TableNotReadable(f"{self.address} has no file {FILE}.")
        content = yaml.safe_load((table / FILE).read_text())
        if content.get("transformations") != ["read_parquet"]:
            raise TableNotReadable(f"the loopback Azure reads Parquet only, not {content.get('transformations')}")
        return [str(table / path["file"]) for path in content["paths"]]
