"""The environments of jobs and endpoints, made from environment.yml and registered once per content."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from lib.backends import python_packages
from lib.backends.azureml.error_translation import retry, translate_errors
from lib.backends.azureml.seams import EnvironmentReference
from lib.errors import DataError

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection

NAME = "millrace"
# N-series machines have an NVIDIA GPU.
_GPU_SIZE = re.compile(r"Standard_N[CDV]", re.IGNORECASE)
_INFERENCE_SERVER = "azureml-inference-server-http"

# Two notebooks that start at once need the same environment; only one of them registers it.
_registration_lock = threading.Lock()


def conda_specification(vm_size: str = "") -> str:
    """Return the conda specification for a machine size. XGBoost supports CUDA only on machines with a GPU."""
    text = python_packages.conda_specification()
    return re.sub(r"\bxgboost-cpu==", "xgboost==", text) if _GPU_SIZE.match(vm_size) else text


def content_version(image: str, specification: str) -> str:
    """Return the version of an environment: a hash of its base image and specification."""
    return hashlib.sha256(f"{image}\n{specification}".encode()).hexdigest()[:12]


def python_version(specification: str) -> str:
    r"""Return the Python version of a conda specification.

    Examples
    --------
    >>> python_version("dependencies:\n  - python=3.11")
    '3.11'
    """
    match = re.search(r"- python=(\d+\.\d+)", specification)
    if match is None:
        raise DataError(
            "environment.yml has no Python version, such as `- python=3.11`. Create the file again: make lock"
        )
    return match[1]


def get_or_register(connection: Connection, vm_size: str = "") -> EnvironmentReference:
    """Return the environment for a machine size, and register it if its content is new.

    Parameters
    ----------
    connection : Connection
    vm_size : str
        Machine size of the cluster; empty for an endpoint.
    """
    return _get_or_register_conda(connection, NAME, conda_specification(vm_size))


def for_model(connection: Connection, folder: Path) -> EnvironmentReference:
    """Return the environment of a model's own ``conda.yaml``, extended by an inference server.

    Parameters
    ----------
    connection : Connection
    folder : Path
        The model folder.
    """
    specification = (folder / "conda.yaml").read_text(encoding="utf-8")
    if not re.search(rf"{_INFERENCE_SERVER}|azureml-defaults", specification):
        specification = _add_pip_package(specification, _INFERENCE_SERVER)
    return _get_or_register_conda(connection, f"{NAME}-model", specification)


def _add_pip_package(specification: str, package: str) -> str:
    """Add a package to the pip section of a conda specification, and return the result as YAML."""
    conda = yaml.safe_load(specification)
    pip_section = next((entry for entry in conda["dependencies"] if isinstance(entry, dict)), None)
    if pip_section is None:
        pip_section = {"pip": []}
        conda["dependencies"].append(pip_section)
    pip_section["pip"].append(package)
    return yaml.safe_dump(conda, sort_keys=False)


def _get_or_register_conda(connection: Connection, name: str, specification: str) -> EnvironmentReference:
    """Return the environment with a conda specification, and register it if it is not registered yet."""
    environments, workspace = connection.sdk("environments"), connection.workspace
    image = connection.base_image
    version = content_version(image, specification)
    with _registration_lock:
        with translate_errors(f"find the environment {name}, version {version}"):
            if environments.exists(workspace, name, version):
                return EnvironmentReference(name, version)
        return retry(
            lambda: environments.register(workspace, name, version, image, specification),
            f"register the environment {name}",
        )
