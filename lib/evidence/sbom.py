"""The software bill of materials: the packages of the lock file in the format of CycloneDX 1.6.

https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import datetime
import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import Any

_SPEC_VERSION = "1.6"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\\n]+?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"^ +#(?: via|  ) (?P<name>[A-Za-z0-9._-]+)")
_PROJECT = "millrace"
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # of URLs, RFC 9562


@dataclass
class Pin:
    """A package of the lock file.

    Attributes
    ----------
    name, version : str
    marker : str
        For which systems the package is meant; empty for all.
    hashes : list of str
        SHA-256 of each file of this version.
    used_by : list of str
        Packages that need it.
    """

    name: str
    version: str
    marker: str
    hashes: list[str]
    used_by: list[str]

    @property
    def reference(self) -> str:
        """The package URL, which identifies the component."""
        return f"pkg:pypi/{normalize_name(self.name)}@{self.version}"


def normalize_name(name: str) -> str:
    """Return the name of a package as PyPI writes it.

    >>> normalize_name("Azure_ML.core")
    'azure-ml-core'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_lock(text: str) -> list[Pin]:
    """Return the packages of a lock file that uv or pip-compile has written with hashes.

    Raises
    ------
    ValueError
        If the text contains no package.
    """
    pins: list[Pin] = []
    for line in text.splitlines():
        if match := _PIN.match(line):
            pins.append(Pin(match["name"], match["version"], match["marker"] or "", [], []))
        elif pins and (found := _HASH.search(line)):
            pins[-1].hashes.append(found[1])
        elif pins and (via := _VIA.match(line)):
            pins[-1].used_by.append(normalize_name(via["name"]))
    if not pins:
        raise ValueError("The lock file contains no package such as numpy==2.3.2.")
    return pins


def make_sbom(lock: str, version: str, time: datetime.datetime) -> dict[str, Any]:
    """Return the bill of materials of a lock file.

    Parameters
    ----------
    lock : str
        The text of ``requirements.lock``.
    version : str
        Version of Millrace.
    time : datetime
        When the document is made, with a time zone. Everything else depends on the lock file only.

    Returns
    -------
    dict
        A CycloneDX document. ``dependencies`` say which package needs which.
    """
    pins = parse_lock(lock)
    application = f"pkg:generic/{_PROJECT}@{version}"
    references = {normalize_name(pin.name): pin.reference for pin in pins} | {_PROJECT: application}
    needed: dict[str, list[str]] = {reference: [] for reference in references.values()}
    for pin in pins:
        for user in pin.used_by:
            if user in references:
                needed[references[user]].append(pin.reference)
    digest = hashlib.sha256(lock.encode()).hexdigest()
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{_SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": time.isoformat(timespec="seconds"),
            "component": {"type": "application", "bom-ref": application, "name": _PROJECT, "version": version},
            "properties": [{"name": "millrace:lock-sha256", "value": digest}],
        },
        "components": [_describe_component(pin) for pin in pins],
        "dependencies": [
            {"ref": reference, "dependsOn": sorted(set(others))} for reference, others in sorted(needed.items())
        ],
    }


def _describe_component(pin: Pin) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": pin.reference,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.reference,
        "scope": "required",
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{normalize_name(pin.name)}/{pin.version}/",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.hashes],
            }
        ],
    }
    if pin.marker:
        component["properties"] = [{"name": "millrace:marker", "value": pin.marker}]
    return component
