"""Environment: what jobs and endpoints run in, made of environment.yml, registered once for each content."""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.paths import ROOT

NAME = "millrace"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
_FILE = ROOT / "environment.yml"
# Machines of the N series have an NVIDIA GPU.
_GPU = re.compile(r"Standard_N[CDV]", re.IGNORECASE)


def conda_specification(vm_size: str = "") -> str:
    """Conda specification for a machine: with a GPU, xgboost's wheel with CUDA takes the place of the one without."""
    text = _FILE.read_text(encoding="utf-8")
    return re.sub(r"\bxgboost-cpu==", "xgboost==", text) if _GPU.match(vm_size) else text


def content_version(text: str) -> str:
    """Version of an environment: a hash of what it is made of."""
    return hashlib.sha256(f"{IMAGE}\n{text}".encode()).hexdigest()[:12]


def python_version(text: str) -> str:
    """Version of Python in a conda specification, ``"3.11"``."""
    return re.search(r"- python=(\d+\.\d+)", text)[1]


def get_or_register(workspace: Any, vm_size: str = "") -> Any:
    """Environment for a machine, registered where its content is new.

    Parameters
    ----------
    workspace : azureml.core.Workspace
    vm_size : str
        Of the cluster; empty for an endpoint.

    Returns
    -------
    azureml.core.Environment
        With name and version.
    """
    return _register_conda(workspace, NAME, conda_specification(vm_size))


def for_model(workspace: Any, folder: Path) -> Any:
    """Environment of a model's own ``conda.yaml``, in which a job or an endpoint opens it, registered likewise."""
    text = (folder / "conda.yaml").read_text(encoding="utf-8")
    if not re.search(r"azureml-inference-server-http|azureml-defaults", text):
        conda = yaml.safe_load(text)
        pip = next((one["pip"] for one in conda["dependencies"] if isinstance(one, dict)), None)
        if pip is None:
            pip = []
            conda["dependencies"].append({"pip": pip})
        pip.append("azureml-inference-server-http")
        text = yaml.safe_dump(conda, sort_keys=False)
    return _register_conda(workspace, f"{NAME}-model", text)


def _register_conda(workspace: Any, name: str, text: str) -> Any:
    from azureml.core import Environment

    version = content_version(text)
    with translate_errors(f"find the environment {name}, version {version}"):
        try:
            return Environment.get(workspace, name, version)
        except Exception as error:
            if not is_not_found(error):
                raise
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "environment.yml"
        file.write_text(text, encoding="utf-8")
        environment = Environment.from_conda_specification(name, str(file))
    environment.version = version
    environment.docker.base_image = IMAGE
    log = logging.getLogger("azureml.core.environment")
    log.setLevel(logging.ERROR)  # it warns of every version that is set on purpose
    return retry(lambda: environment.register(workspace), f"register the environment {name}")
