"""The model registry that both SDKs and MLflow share. The MLflow server stores the versions and their tags."""

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from . import names
from .messages import not_found
from .store import Store
from .tracking import MlflowError, Tracking


@dataclass
class ModelVersion:
    """One version, with the details that MLflow does not store.

    Attributes
    ----------
    details : dict
        Values of the client that created it: framework and asset for SDK version 1, type for SDK version 2.
    """

    name: str
    version: str
    source: str
    run_id: str
    description: str
    tags: dict[str, str]
    created_ms: int
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> int:
        return int(self.version)


class Registry:
    """Model versions."""

    def __init__(self, store: Store, tracking: Tracking, blobs):
        self.store, self.tracking, self.blobs = store, tracking, blobs
        self.details: dict[tuple[str, str], dict[str, Any]] = {}
        self.lock = threading.RLock()

    def create(self, name: str, source: str, run_id: str, tags: dict[str, str], **details: Any) -> ModelVersion:
        with self.lock:
            try:
                self.tracking.request("POST", "registered-models/create", {"name": name})
            except MlflowError as error:
                if b"RESOURCE_ALREADY_EXISTS" not in error.content:
                    raise
            requested = {
                "name": name, "source": source, "description": details.get("description") or "",
                "tags": [{"key": key, "value": str(value)} for key, value in tags.items()],
            }  # fmt: skip
            if run_id:
                requested["run_id"] = self.tracking.to_mlflow_ids({"run_id": run_id})["run_id"]
            made = self.tracking.request("POST", "model-versions/create", requested)["model_version"]
            self.details[name, made["version"]] = details
            return self.read(made)

    def read(self, written: dict[str, Any]) -> ModelVersion:
        """Convert a version from MLflow's format."""
        name, version = written["name"], written["version"]
        run_id = written.get("run_id") or ""
        return ModelVersion(
            name, version, written.get("source", ""), self.tracking.azure_run_id(run_id),
            written.get("description", ""), {tag["key"]: tag["value"] for tag in written.get("tags", [])},
            int(written["creation_timestamp"]), self.details.get((name, version), {}),
        )  # fmt: skip

    def get(self, name: str, version: str) -> ModelVersion:
        try:
            result = self.tracking.request("GET", "model-versions/get", {"name": name, "version": version})
        except MlflowError as error:
            if error.status not in (400, 404):
                raise
            raise not_found(f"Model with name: {name}, version: {version} could not be found.") from None
        return self.read(result["model_version"])

    def search(self, name: str = "") -> list[ModelVersion]:
        """Return all versions, or those of one model, newest first."""
        query: dict[str, Any] = {"max_results": 10000}
        if name:
            query["filter"] = f"name='{name}'"
        result = self.tracking.request("GET", "model-versions/search", query).get("model_versions", [])
        return sorted(map(self.read, result), key=lambda version: (version.created_ms, version.number), reverse=True)

    def set_tags(self, model: ModelVersion, tags: dict[str, str]) -> None:
        """Replace all tags."""
        for key in model.tags.keys() - tags.keys():
            self.tracking.request("DELETE", "model-versions/delete-tag", self.key_of(model) | {"key": key})
        for key, value in tags.items():
            if model.tags.get(key) != value:
                pair = {"key": key, "value": str(value)}
                self.tracking.request("POST", "model-versions/set-tag", self.key_of(model) | pair)

    def describe(self, model: ModelVersion, description: str) -> None:
        self.tracking.request("PATCH", "model-versions/update", self.key_of(model) | {"description": description})

    def delete(self, model: ModelVersion) -> None:
        self.tracking.request("DELETE", "model-versions/delete", self.key_of(model))
        self.details.pop((model.name, model.version), None)

    @staticmethod
    def key_of(model: ModelVersion) -> dict[str, str]:
        return {"name": model.name, "version": model.version}

    def mount(self, model: ModelVersion, folder: Path) -> Path:
        """Download a version's files into ``<name>/<version>``, where a container expects them."""
        folder = folder / model.name / model.version
        folder.mkdir(parents=True)
        for container, prefix in self.blob_locations(model.source):
            self.blobs.download(container, prefix, folder)
        if not any(folder.iterdir()):
            raise FileNotFoundError(f"there are no files at {model.source}")
        return folder

    def blob_locations(self, source: str) -> list[tuple[str, str]]:
        """Return the blob containers and prefixes that a source URI refers to."""
        if match := re.fullmatch(r"aml://asset/(\w+)", source):
            prefixes = [
                artifact.get("prefix") or artifact["id"] for artifact in self.store.assets[match[1]]["artifacts"]
            ]
            return [(names.ARTIFACT_CONTAINER, prefix) for prefix in prefixes]
        if match := re.search(r"/datastores/([^/]+)/paths/(.+)$", source):
            section = self.store.datastores[match[1]]["azureStorageSection"]
            return [(section["containerName"], unquote(match[2]))]
        if match := re.search(r"/runs/([^/]+)/artifacts/(.+)$", source) or re.match(r"runs:/+([^/]+)/(.+)$", source):
            return [(names.ARTIFACT_CONTAINER, f"ExperimentRun/{self.store.run(match[1]).container}/{match[2]}")]
        if match := re.search(r"/jobs/([^/]+)/outputs/artifacts/(?:paths/)?(.+)$", source):
            return [(names.ARTIFACT_CONTAINER, f"ExperimentRun/{self.store.run(match[1]).container}/{match[2]}")]
        if match := re.match(r"azureml://artifacts/(.+)$", source):
            return [(names.ARTIFACT_CONTAINER, match[1])]
        raise FileNotFoundError(f"the loopback Azure does not know where {source} is")
