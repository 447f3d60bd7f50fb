"""The setup stage: checks the prerequisites of a run, and creates the missing ones where possible."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib import charts
from lib.backends.base import Check
from lib.errors import StageError
from lib.paths import ROOT
from lib.stages._results import StageResult, make_title

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The use-case parameters that this stage may read, besides the common ones. Changing one of them reruns the stage.
PARAMETERS = ("data", "encoding")

# The packages that every stage needs; requirements.lock lists all packages.
_PACKAGES = (
    "papermill",
    "scrapbook",
    "mlflow",
    "scikit-learn",
    "pandas",
    "numpy",
    "pyarrow",
    "matplotlib",
    "starlette",
    "uvicorn",
)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, repr=False)
class SetupReport(StageResult):
    """The checks of the setup stage.

    Attributes
    ----------
    title, verdict : str
    checks : list of Check
    """

    title: str
    verdict: str
    checks: list[Check]

    @property
    def table(self) -> charts.Table:
        """The checks, one per row."""
        rows = [(check.name, check.result, "ok" if check.ok else "not ok") for check in self.checks]
        table = charts.Table(rows, columns=["check", "result", "state"]).set_index("check")
        charts.label(table, "Checks before the run")
        return table

    def main_table(self) -> charts.Table:
        """Return the checks."""
        return self.table


def run(backend: Backend, parameters: Parameters) -> SetupReport:
    """Check the prerequisites of a run, and create the missing ones where possible.

    Returns
    -------
    SetupReport

    Raises
    ------
    DataError
        If the table does not exist.
    StageError
        If a check failed. The message lists all checks.
    """
    checks = [
        _check_python(),
        _check_packages(),
        *backend.prepare(),
        _check_model(backend, parameters),
        _check_table(backend, parameters),
        _check_endpoint(backend, parameters),
    ]
    if not all(check.ok for check in checks):
        lines = [f"{'ok' if check.ok else 'NOT OK':<8}{check.name}: {check.result}" for check in checks]
        raise StageError("Setup failed. Fix the checks marked NOT OK, then run it again:\n" + "\n".join(lines))
    return SetupReport(make_title("Setup", parameters), f"All {len(checks)} checks passed.", checks)


def _check_python() -> Check:
    return Check("Python", f"{sys.version.split()[0]}, {sys.prefix}")


def _check_packages() -> Check:
    """Check that the main packages are installed. A version other than the locked one is reported, but passes."""
    locked = _read_locked_versions()
    missing, different = [], []
    for name in _PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if version not in locked.get(name, {version}):
            different.append(f"{name} {version} (locked: {', '.join(sorted(locked[name]))})")
    if missing:
        result = f"missing: {', '.join(missing)}. Run `make run` or `pip install -r requirements.lock`."
        return Check("packages", result, ok=False)
    if different:
        return Check("packages", f"different from requirements.lock: {', '.join(different)}")
    return Check("packages", f"{len(_PACKAGES)} checked, all as in requirements.lock")


def _read_locked_versions() -> dict[str, set[str]]:
    """Return the versions of each package in requirements.lock, which may differ by platform."""
    lock = ROOT / "requirements.lock"
    versions: dict[str, set[str]] = {}
    if lock.is_file():
        for name, version in _PIN.findall(lock.read_text(encoding="utf-8")):
            versions.setdefault(name.lower(), set()).add(version)
    return versions


def _check_model(backend: Backend, parameters: Parameters) -> Check:
    """Repair an interrupted promotion, then report the registered versions."""
    registry = backend.models(parameters.name)
    repair = registry.repair()
    production = registry.production()
    state = f"version {production.version} in production" if production else "none in production"
    count = len(registry.versions())
    versions = "1 version" if count == 1 else f"{count} versions"
    return Check("model", f"{parameters.name}: {versions}, {state}. {repair}".strip())


def _check_table(backend: Backend, parameters: Parameters) -> Check:
    return Check("table", backend.describe_table(parameters.data, parameters.encoding or ""))


def _check_endpoint(backend: Backend, parameters: Parameters) -> Check:
    status = backend.endpoint(parameters.name).status()
    serving = f"version {status.version} at {status.url}" if status.url else "the deploy stage starts it"
    return Check("endpoint", f"{parameters.name}: {status.state}, {serving}")
