"""Environment: what jobs and endpoints run in, made of environment.yml, registered once for each content."""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
from pathlib import Path
from typing import Any

from lib.backends.azureml.explain import explaining, is_absent, patiently
from lib.paths import ROOT

NAME = "millrace"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
_FILE = ROOT / "environment.yml"
# Machines of the N series have an NVIDIA GPU.
_GPU = re.compile(r"Standard_N[CDV]", re.IGNORECASE)


def specification(vm_size: str = "") -> str:
    """Conda specification for a machine: with a GPU, xgboost's wheel with CUDA takes the place of the one without."""
    text = _FILE.read_text(encoding="utf-8")
    return re.sub(r"\bxgboost-cpu==", "xgboost==", text) if _GPU.match(vm_size) else text


def version_of(text: str) -> str:
    """Version of an environment: a hash of what it is made of."""
    return hashlib.sha256(f"{IMAGE}\n{text}".encode()).hexdigest()[:12]


def python_of(text: str) -> str:
    """Version of Python in a conda specification, ``"3.11"``."""
    return re.search(r"- python=(\d+\.\d+)", text)[1]


def registered(workspace: Any, vm_size: str = "") -> Any:
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
    from azureml.core import Environment

    text = specification(vm_size)
    version = version_of(text)
    with explaining(f"find the environment {NAME}, version {version}"):
        try:
            return Environment.get(workspace, NAME, version)
        except Exception as error:
            if not is_absent(error):
                raise
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "environment.yml"
        file.write_text(text, encoding="utf-8")
        environment = Environment.from_conda_specification(NAME, str(file))
    environment.version = version
    environment.docker.base_image = IMAGE
    log = logging.getLogger("azureml.core.environment")
    log.setLevel(logging.ERROR)  # it warns of every version that is set on purpose
    return patiently(lambda: environment.register(workspace), f"register the environment {NAME}")
