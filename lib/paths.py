"""Where files are: a relative path starts at the project's folder, wherever a notebook runs."""

from __future__ import annotations

from pathlib import Path

from lib.errors import DataError, suggest

ROOT = Path(__file__).resolve().parents[1]


def resolve(path: str | Path) -> Path:
    """Absolute path of what a parameter names."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else ROOT / path


def existing(path: str | Path) -> Path:
    """Path that `resolve` gives, which must be there.

    Raises
    ------
    DataError
        With the nearest name in its folder.
    """
    found = resolve(path)
    if found.exists():
        return found
    folder = next(parent for parent in found.parents if parent.is_dir())
    near = suggest(found.name, sorted(one.name for one in folder.iterdir()))
    raise DataError(f"There is no file {path} (looked for {found}). {near}")


def shown(path: str | Path) -> str:
    """Path as a message shows it: below the project's folder without that folder."""
    path = Path(path).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
