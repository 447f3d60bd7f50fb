"""Deferred import of rfc3987-syntax, which compiles a grammar when it is imported.

Compiling takes several seconds of CPU. If the package is installed, jsonschema imports it for the formats ``iri`` and
``iri-reference``, which the schema of notebooks does not use.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_NAME = "rfc3987_syntax"


def defer_rfc3987() -> None:
    """Replace rfc3987_syntax by a module that imports the real one on first use."""
    if _NAME not in sys.modules and find_spec(_NAME) is not None:
        sys.modules[_NAME] = _DeferredModule(_NAME)


class _DeferredModule(ModuleType):
    """A stand-in for rfc3987_syntax."""

    @staticmethod
    def is_valid_syntax(term: str, syntax: str) -> bool:
        """Call the function of this name in the real module."""
        return _import_real_module().is_valid_syntax(term, syntax)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the real module, which is imported for it."""
        if name.startswith("__"):  # importlib and inspect probe for optional attributes; do not import for them
            raise AttributeError(name)
        return getattr(_import_real_module(), name)


def _import_real_module() -> ModuleType:
    """Import rfc3987_syntax itself in place of the stand-in, and return it."""
    if isinstance(sys.modules.get(_NAME), _DeferredModule):
        del sys.modules[_NAME]
    return importlib.import_module(_NAME)
