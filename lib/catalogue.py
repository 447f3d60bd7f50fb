"""A folder as a catalogue: each of its modules is one entry, known by its file name.

Training functions, pipelines and backends are all found this way, so that a file dropped into the
folder is offered by name at once. Listing names imports nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from lib.errors import NameNotFound


def names(package: str, folders: bool = False) -> list[str]:
    """Names of the entries of a package.

    Parameters
    ----------
    package : str
        E.g. ``"lib.training"``.
    folders : bool
        Whether the entries are sub-packages (backends) instead of modules.

    Returns
    -------
    list of str
        Sorted; names with a leading underscore are no entries.
    """
    path = importlib.import_module(package).__path__
    return sorted(
        module.name
        for module in pkgutil.iter_modules(path)
        if module.ispkg == folders and not module.name.startswith("_")
    )


def load(package: str, name: str, kind: str, folders: bool = False) -> ModuleType:
    """Import one entry of a package.

    Raises
    ------
    NameNotFound
        With the nearest name, where there is no such entry.
    """
    known = names(package, folders)
    if name not in known:
        raise NameNotFound(kind, name, known, where=package.replace(".", "/") + "/")
    return importlib.import_module(f"{package}.{name}")
