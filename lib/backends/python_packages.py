"""The packages of clusters and endpoints: those of Millrace, and those that the customer's own code needs."""

from __future__ import annotations

from lib import extensions
from lib.paths import ROOT

CONDA_FILE = ROOT / "environment.yml"
_REQUIREMENTS = "requirements.txt"
_INDENTATION = "      - "


def conda_specification() -> str:
    """Return ``environment.yml`` with the packages of ``custom/requirements.txt`` at the end of its pip section."""
    text = CONDA_FILE.read_text(encoding="utf-8")
    return text + "".join(f"{_INDENTATION}{requirement}\n" for requirement in own_requirements())


def own_requirements() -> list[str]:
    """Return the lines of ``custom/requirements.txt`` that name a package; empty without the file."""
    file = extensions.CUSTOM_FOLDER / _REQUIREMENTS
    if not file.is_file():
        return []
    lines = [line.partition(" #")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "-"))]
