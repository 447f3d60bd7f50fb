"""Environments in SDK version 2."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lib.backends.azureml.error_translation import is_not_found
from lib.backends.azureml.seams import EnvironmentReference
from lib.backends.azureml.v2.workspace import Workspace


def exists(workspace: Workspace, name: str, version: str) -> bool:
    """Return whether a version of an environment is registered."""
    try:
        workspace.client.environments.get(name, version)
    except Exception as error:
        if is_not_found(error):
            return False
        raise
    return True


def register(workspace: Workspace, name: str, version: str, image: str, specification: str) -> EnvironmentReference:
    """Register an environment: a base image and the text of a conda specification."""
    from azure.ai.ml.entities import Environment

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "environment.yml"
        file.write_text(specification, encoding="utf-8")
        environment = Environment(name=name, version=version, image=image, conda_file=str(file))
        workspace.client.environments.create_or_update(environment)
    return EnvironmentReference(name, version)
