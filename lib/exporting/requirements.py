"""The pinned packages of an exported endpoint: the part of the lock file that the server and a model need."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Iterable

from lib.errors import DataError
from lib.evidence.sbom import Pin, normalize_name, parse_lock
from lib.invocation import command
from lib.paths import ROOT

LOCK = ROOT / "requirements.lock"
# The packages that `lib.serving`, and the code that is saved with each model, import.
SERVER_PACKAGES = (
    "filelock",
    "httptools",
    "msgspec",
    "numpy",
    "pandas",
    "prometheus-client",
    "psutil",
    "pyarrow",
    "pyyaml",
    "scikit-learn",
    "starlette",
    "threadpoolctl",
    "tzdata",  # a slim container has no time zones of its own
    "uvicorn",
    "uvloop",
)
_HEADER = "# The packages of this endpoint, in the versions that the model was tested with.\n"
_UNHASHED_NOTE = "# Without hashes, because these packages are not in the project's lock: {packages}.\n"


def write_requirements(packages: Iterable[str], lock_text: str) -> str:
    """Return the requirements file of packages and of all packages that they need.

    Parameters
    ----------
    packages : iterable of str
        Names of installed packages.
    lock_text : str
        The text of the lock file, whose hashes are kept.

    Raises
    ------
    DataError
        If another version of a package is installed than the lock file names: the exported endpoint might then give
        other answers than the one that was tested.
    """
    pins = parse_lock(lock_text)
    locked_names = {normalize_name(pin.name) for pin in pins}
    names = {normalize_name(package) for package in packages}
    needed = select_pins(pins, names & locked_names)
    _check_installed(needed)
    unlocked = sorted(names - locked_names)
    if not unlocked:
        return _HEADER + "".join(_format_pin(pin, pin.hashes) for pin in needed)
    # pip refuses a file in which only some packages have hashes.
    own_lines = [f"{name}=={importlib.metadata.version(name)}\n" for name in unlocked]
    note = _UNHASHED_NOTE.format(packages=", ".join(unlocked))
    return _HEADER + note + "".join([*(_format_pin(pin, []) for pin in needed), *own_lines])


def select_pins(pins: Iterable[Pin], names: Collection[str]) -> list[Pin]:
    """Return the pins of packages, and of all packages that they need, directly or indirectly.

    Parameters
    ----------
    pins : iterable of Pin
        All packages of a lock file.
    names : collection of str
        Normalized names of packages.

    Examples
    --------
    >>> pins = [Pin("a", "1", "", [], []), Pin("b", "2", "", [], ["a"]), Pin("c", "3", "", [], ["d"])]
    >>> [pin.name for pin in select_pins(pins, {"a"})]
    ['a', 'b']
    """
    pins = list(pins)
    needed = set(names)
    while True:
        added = {normalize_name(pin.name) for pin in pins if needed.intersection(pin.used_by)} - needed
        if not added:
            return [pin for pin in pins if normalize_name(pin.name) in needed]
        needed |= added


def _check_installed(pins: Iterable[Pin]) -> None:
    versions: dict[str, set[str]] = {}
    for pin in pins:
        versions.setdefault(pin.name, set()).add(pin.version)
    differences = []
    for name, locked in versions.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a package of another system
            continue
        if installed not in locked:
            differences.append(f"{name} {installed} instead of {' or '.join(sorted(locked))}")
    if differences:
        raise DataError(
            f"Installed packages differ from requirements.lock: {', '.join(differences)}. The exported endpoint might "
            f"give other answers than the one that was tested. Run `make install`, then {command('--from', 'deploy')}, "
            "and export again."
        )


def _format_pin(pin: Pin, hashes: Collection[str]) -> str:
    marker = f" ; {pin.marker}" if pin.marker else ""
    lines = [f"{pin.name}=={pin.version}{marker}", *(f"    --hash=sha256:{digest}" for digest in hashes)]
    return " \\\n".join(lines) + "\n"
