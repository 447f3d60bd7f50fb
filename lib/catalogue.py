"""Catalogues: packages in which each module is one entry, known by its file name.

Training functions, pipelines and backends are catalogues. A file added to the folder can be used by name
at once. Listing the names imports no entry.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from lib.errors import NameNotFound


def names(package: str, are_folders: bool = False) -> list[str]:
    """Return the names of a package's entries.

    Parameters
    ----------
    package : str
        E.g. ``"lib.training"``.
    are_folders : bool
        Whether the entries are subpackages, as backends are, instead of modules.

    Returns
    -------
    list of str
        Sorted names, without those that start with an underscore.

    Examples
    --------
    >>> "linear" in names("lib.training")
    True
    """
    path = importlib.import_module(package).__path__
    return sorted(
        module.name
        for module in pkgutil.iter_modules(path)
        if module.ispkg == are_folders and not module.name.startswith("_")
    )


def load(package: str, name: str, kind: str, are_folders: bool = False) -> ModuleType:
    """Import one entry of a package.

    Parameters
    ----------
    package : str
        E.g. ``"lib.training"``.
    name : str
        The entry's name.
    kind : str
        What an entry is called in the error message, e.g. ``"training function"``.
    are_folders : bool
        Whether the entries are subpackages instead of modules.

    Returns
    -------
    module

    Raises
    ------
    NameNotFound
        If there is no such entry.
    """
    known = names(package, are_folders)
    if name not in known:
        raise NameNotFound(kind, name, known, where=package.replace(".", "/") + "/")
    return importlib.import_module(f"{package}.{name}")
