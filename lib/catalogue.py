"""Catalogues: packages in which each module is one entry, known by its file name.

Training functions, pipelines, metrics and backends are catalogues. A file added to the folder can be used by name at
once. A folder in ``custom/`` continues the catalogue of the same name, as do installed packages; see `lib.extensions`.
Listing the names imports no entry.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from lib.errors import CodeError, NameNotFound
from lib.extensions import Extension, find_extensions
from lib.paths import ROOT


def names(package: str, are_folders: bool = False, is_bundled: bool = False) -> list[str]:
    """Return the names of a package's entries.

    Parameters
    ----------
    package : str
        E.g. ``"lib.training"``.
    are_folders : bool
        Whether the entries are subpackages, as backends are, instead of modules.
    is_bundled : bool
        Whether to list only what comes with Millrace, without the customer's own code.

    Returns
    -------
    list of str
        Sorted names, without those that start with an underscore.

    Examples
    --------
    >>> "linear" in names("lib.training")
    True
    """
    is_found = importlib.util.find_spec(package) is not None  # Millrace itself has no features
    path = importlib.import_module(package).__path__ if is_found else []
    bundled_names = {
        module.name
        for module in pkgutil.iter_modules(path)
        if module.ispkg == are_folders and not module.name.startswith("_")
    }
    extensions = [] if is_bundled else find_extensions(package)
    return sorted(bundled_names | {extension.name for extension in extensions})


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
    CodeError
        If several entries have the name, or if the customer's module cannot be imported.
    """
    extension = find_extension(package, name, kind, are_folders)
    return importlib.import_module(f"{package}.{name}") if extension is None else extension.import_module()


def load_object(package: str, name: str, kind: str, attribute: str) -> Any:
    """Import one entry of a package, and return an object of its module.

    Parameters
    ----------
    package, name, kind : str
        See `load`.
    attribute : str
        Name of the object, e.g. ``"train"``. An entry point may name another one.

    Raises
    ------
    NameNotFound
        If there is no such entry.
    CodeError
        If the entry cannot be used, or has no such object.
    """
    extension = find_extension(package, name, kind)
    module = load(package, name, kind)
    attribute = extension.attribute if extension is not None and extension.attribute else attribute
    try:
        value = module
        for part in attribute.split("."):
            value = getattr(value, part)
        return value
    except AttributeError:
        origin = extension.origin if extension is not None else f"{package.replace('.', '/')}/{name}.py"
        raise CodeError(f"{origin} defines no {attribute}, which a {kind} needs.") from None


def find_extension(package: str, name: str, kind: str, are_folders: bool = False) -> Extension | None:
    """Return the customer's entry of this name; None if Millrace itself has the entry.

    Raises
    ------
    NameNotFound
        If there is no such entry.
    CodeError
        If several entries have this name.
    """
    is_bundled = name in names(package, are_folders, is_bundled=True)
    extensions = [extension for extension in find_extensions(package) if extension.name == name]
    if not is_bundled and not extensions:
        raise NameNotFound(kind, name, names(package, are_folders), where=_describe_places(package))
    origins = [f"{package.replace('.', '/')}/{name}.py"] if is_bundled else []
    origins += [extension.origin for extension in extensions]
    if len(origins) > 1:
        raise CodeError(
            f"{kind.capitalize()} {name!r} is defined {len(origins)} times: by {' and by '.join(origins)}. Rename your "
            "own, and use the new name in the parameters."
        )
    return extensions[0] if extensions else None


def find_source(package: str, name: str, kind: str) -> Path | None:
    """Return the file that defines an entry, without importing the entry; None if its source is not at hand.

    Raises
    ------
    NameNotFound
        If there is no such entry.
    CodeError
        If several entries have this name.
    """
    extension = find_extension(package, name, kind)
    if extension is not None:
        return extension.find_source()
    return ROOT.joinpath(*package.split("."), f"{name}.py")


def _describe_places(package: str) -> str:
    """Return the folders in which an entry of a package may be, for messages."""
    folder = package.replace(".", "/") + "/"
    return f"{folder} or custom/{folder.removeprefix('lib/')}" if folder.startswith("lib/") else folder
