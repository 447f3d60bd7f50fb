"""Checks of this machine before a run on Azure: its packages, Python and clock."""

from __future__ import annotations

import email.utils
import importlib.metadata
import re
import sys
import time

from lib.backends.azureml import PACKAGE_GROUPS, environment
from lib.backends.base import Check
from lib.paths import ROOT

# The packages that each value of azure_sdk needs.
_PACKAGES: dict[str, tuple[str, ...]] = {"v2": ("azure-ai-ml", "azureml-mlflow", "mlflow")}
_PACKAGES["v1"] = (*_PACKAGES["v2"], "azureml-core", "azureml-train-automl-client", "azureml-dataset-runtime")
_CLOCK_URL = "https://management.azure.com/metadata/endpoints?api-version=2019-05-01"
_MAX_CLOCK_SKEW_SECONDS = 240  # Azure rejects tokens at a skew of five minutes
_TIMEOUT_SECONDS = 20


def check_packages(sdk: str) -> Check:
    """Check that the packages for `azure_sdk` are installed, in the versions of ``requirements.lock``."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    problems = []
    for name in _PACKAGES[sdk]:
        pinned = set(re.findall(rf"^{name}==([^\s;\\]+)", lock, re.MULTILINE))
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed")
            continue
        if pinned and installed not in pinned:
            problems.append(f"{name} is {installed} instead of {', '.join(sorted(pinned))}")
    if problems:
        return Check("packages", f'{", ".join(problems)}: make install GROUPS="{PACKAGE_GROUPS[sdk]}"', ok=False)
    return Check("packages", f"{len(_PACKAGES[sdk])} checked, all as locked")


def check_python() -> Check:
    """Check that this Python has the version of the clusters, because models are pickled here and loaded there."""
    local = f"{sys.version_info.major}.{sys.version_info.minor}"
    cluster = environment.python_version(environment.conda_specification())
    if local == cluster:
        return Check("Python", f"{local} here and on the clusters")
    remedy = f"make clean, then make install PYTHON=python{cluster}"
    return Check("Python", f"{local} here, but {cluster} on the clusters: {remedy}", ok=False)


def check_clock() -> Check:
    """Check that this machine's clock agrees with Azure's."""
    import requests

    response = requests.get(_CLOCK_URL, timeout=_TIMEOUT_SECONDS)
    azure_time = email.utils.parsedate_to_datetime(response.headers["Date"]).timestamp()
    skew = time.time() - azure_time
    if abs(skew) > _MAX_CLOCK_SKEW_SECONDS:
        message = f"{skew:+.0f} seconds off Azure's clock, so Azure rejects tokens: synchronize the clock (ntp)"
        return Check("clock", message, ok=False)
    return Check("clock", f"{skew:+.0f} seconds off Azure's clock")
