"""Paths relative to the project's folder, independent of the working directory."""

from __future__ import annotations

from pathlib import Path

from lib.errors import DataError, suggest

ROOT = Path(__file__).resolve().parents[1]


def resolve(path: str | Path) -> Path:
    """Return a path as an absolute path; a relative path starts at the project's folder.

    Examples
    --------
    >>> resolve("data/flights.csv") == ROOT / "data" / "flights.csv"
    True
    """
    path = Path(path).expanduser()
    return path if path.is_absolute() else ROOT / path


def resolve_existing(path: str | Path) -> Path:
    """Return the absolute path of a file or folder that must exist.

    Raises
    ------
    DataError
        If the file or folder does not exist. The message suggests the most similar name in its parent folder.
    """
    resolved = resolve(path)
    if resolved.exists():
        return resolved
    folder = next(parent for parent in resolved.parents if parent.is_dir())
    names = sorted(entry.name for entry in folder.iterdir())
    raise DataError(f"There is no file {path} (looked for {resolved}). {suggest(resolved.name, names)}")


def display_path(path: str | Path) -> str:
    """Return a path as messages show it: relative to the project's folder if it is inside.

    Examples
    --------
    >>> display_path(ROOT / "data" / "flights.csv")
    'data/flights.csv'
    """
    path = Path(path).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
