"""Checks of this machine before a run on Azure: its packages, Python and clock."""

from __future__ import annotations

import datetime
import email.utils
import importlib.metadata
import re
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lib.backends.azureml import PACKAGE_GROUPS, environment
from lib.backends.base import Check
from lib.parameters import machine_sizes
from lib.paths import ROOT

if TYPE_CHECKING:
    from lib.parameters import Parameters

# The packages that each value of azure_sdk needs.
_PACKAGES: dict[str, tuple[str, ...]] = {"v2": ("azure-ai-ml", "azureml-mlflow", "mlflow")}
_PACKAGES["v1"] = (*_PACKAGES["v2"], "azureml-core", "azureml-train-automl-client", "azureml-dataset-runtime")
_CLOCK_URL = "https://management.azure.com/metadata/endpoints?api-version=2019-05-01"
_MAX_CLOCK_SKEW_SECONDS = 240  # Azure rejects tokens at a skew of five minutes
_TIMEOUT_SECONDS = 20
_MAX_IMAGE_AGE_DAYS = 183


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


def check_retirements(parameters: Parameters) -> Iterator[Check]:
    """Name the machine sizes that Azure will retire; those that it has retired are refused as parameters."""
    for name in machine_sizes.PARAMETERS:
        size = parameters[name]
        retirement = machine_sizes.find_retirement(size)
        if retirement:
            message = (
                f"{name}: Azure retires the family {retirement.family} of {size} on {retirement.date:%d %B %Y}: "
                f"change to a size such as {retirement.successor} before"
            )
            yield Check("machine sizes", message, ok=not retirement.has_passed)


def check_base_image(image: str) -> Check:
    """Say how old the base image is. Security updates of its system packages come only with a newer image."""
    match = re.search(r":(\d{4})(\d{2})(\d{2})[^:/]*$", image)
    try:
        date = datetime.date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        date = None
    if date is None:
        return Check("base image", f"{image}: its tag is no date, so its age is unknown")
    days = (datetime.datetime.now(datetime.UTC).date() - date).days
    if days > _MAX_IMAGE_AGE_DAYS:
        remedy = "set base_image to a newer tag of the same image, and run the chain in dev first"
        return Check("base image", f"{image} is {days} days old and lacks later security updates: {remedy}")
    return Check("base image", f"{image}, {days} days old")


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
