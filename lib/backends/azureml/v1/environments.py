"""Environments in SDK version 1."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from lib.backends.azureml.error_translation import is_not_found
from lib.backends.azureml.seams import EnvironmentReference
from lib.backends.azureml.v1.workspace import Workspace


def exists(workspace: Workspace, name: str, version: str) -> bool:
    """Return whether a version of an environment is registered."""
    from azureml.core import Environment

    try:
        Environment.get(workspace.native, name, version)
    except Exception as error:
        if is_not_found(error):
            return False
        raise
    return True


def register(workspace: Workspace, name: str, version: str, image: str, specification: str) -> EnvironmentReference:
    """Register an environment: a base image and the text of a conda specification."""
    from azureml.core import Environment

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "environment.yml"
        file.write_text(specification, encoding="utf-8")
        environment = Environment.from_conda_specification(name, str(file))
    environment.version = version
    environment.docker.base_image = image
    # azureml-core warns about every version that is set explicitly.
    logging.getLogger("azureml.core.environment").setLevel(logging.ERROR)
    environment.register(workspace.native)
    return EnvironmentReference(name, version)
