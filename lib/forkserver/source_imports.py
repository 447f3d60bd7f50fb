"""Imports from source files only, so that nobody can put compiled code in place of the code that was checked.

Fork servers load this file by its path, so it imports the standard library only.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import FileFinder, SourceFileLoader
from typing import Any


class _SourceLoader(SourceFileLoader):
    """An importer of source files that keeps their compiled code in a folder of its own."""

    bytecode = ""

    def get_code(self, fullname: str) -> Any:
        """Return the code of a module; Python's import system calls this."""
        previous, sys.pycache_prefix = sys.pycache_prefix, self.bytecode
        try:
            return super().get_code(fullname)
        finally:
            sys.pycache_prefix = previous


def import_sources_only(code: str, bytecode: str) -> None:
    """Import modules from source files in a folder, never from compiled code or libraries in it.

    Otherwise a file ``__pycache__/x.cpython-311.pyc`` or ``x.so`` would be run in place of ``x.py``.

    Parameters
    ----------
    code : str
        The folder. Modules outside it are imported as usual.
    bytecode : str
        Folder for the compiled code of these modules.
    """
    _SourceLoader.bytecode = bytecode

    def find_importer(path: str) -> FileFinder:
        if path != code and not path.startswith(code + os.sep):
            raise ImportError(f"{path} is not in {code}")
        return FileFinder(path, (_SourceLoader, [".py"]))

    sys.path_hooks.insert(0, find_importer)
    sys.path_importer_cache.clear()
