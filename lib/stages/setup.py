"""Setup: look for everything that a run needs, and make what can be made."""

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
from lib.stages._answers import Answer, title

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The parameters of the use case that this stage reads, beside the common ones: a change of these makes it run anew.
PARAMETERS = ("data", "encoding")

# Those that a stage cannot do without; the lock has every one.
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
class SetupReport(Answer):
    """The checks of the setup.

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
        """A row for each check."""
        rows = [(check.name, check.result, "ok" if check.ok else "not ok") for check in self.checks]
        return charts.Table(rows, columns=["check", "found", "state"]).set_index("check")

    def main_table(self) -> charts.Table:
        """Return the checks."""
        return self.table


def run(backend: Backend, parameters: Parameters) -> SetupReport:
    """Find or make what a run needs.

    Returns
    -------
    SetupReport

    Raises
    ------
    DataError
        Where the table is not there.
    StageError
        With every check that failed.
    """
    checks = [_python(), _packages(), *backend.prepare(), _model(backend, parameters), _data(backend, parameters)]
    status = backend.endpoint(parameters.name).status()
    serving = f"version {status.version} at {status.url}" if status.url else "a deployment makes it"
    checks.append(Check("endpoint", f"{parameters.name}: {status.state}, {serving}"))
    if not all(check.ok for check in checks):
        lines = [f"{'ok' if check.ok else 'NOT OK':<8}{check.name}: {check.result}" for check in checks]
        raise StageError("The setup found what a run cannot go on with:\n" + "\n".join(lines))
    return SetupReport(title("Setup", parameters), f"All {len(checks)} checks passed.", checks)


def _python() -> Check:
    return Check("Python", f"{sys.version.split()[0]}, {sys.prefix}")


def _packages() -> Check:
    lock = ROOT / "requirements.lock"
    pins: dict[str, set[str]] = {}
    for name, version in _PIN.findall(lock.read_text(encoding="utf-8")) if lock.is_file() else ():
        pins.setdefault(name.lower(), set()).add(version)
    missing, other = [], []
    for name in _PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if pins.get(name, {version}).isdisjoint({version}):
            other.append(f"{name} {version} (locked: {', '.join(sorted(pins[name]))})")
    if missing:
        return Check(
            "packages", f"{', '.join(missing)} missing; run make run, or pip install -r requirements.lock", ok=False
        )
    return Check(
        "packages", f"other than locked: {', '.join(other)}" if other else f"{len(_PACKAGES)} looked at, all as locked"
    )


def _model(backend: Backend, parameters: Parameters) -> Check:
    registry = backend.models(parameters.name)
    repaired = registry.repair()
    production = registry.production()
    state = f"version {production.version} in production" if production else "none in production"
    return Check("model", f"{parameters.name}: {len(registry.versions())} versions, {state}. {repaired}".strip())


def _data(backend: Backend, parameters: Parameters) -> Check:
    return Check("table", backend.describe_table(parameters.data, parameters.encoding or ""))
