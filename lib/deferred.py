"""What others import at their start, and we let them import at its first use.

rfc3987-syntax compiles a grammar when it is imported: 4 s of CPU, a third of all that a notebook imports. jsonschema
imports it wherever it is installed, for the formats ``iri`` and ``iri-reference``, which no notebook's schema has.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_GRAMMAR = "rfc3987_syntax"


def defer_grammar() -> None:
    """Put a module in the place of rfc3987_syntax that imports it when it is asked something."""
    if _GRAMMAR not in sys.modules and find_spec(_GRAMMAR) is not None:
        sys.modules[_GRAMMAR] = _Deferred(_GRAMMAR)


class _Deferred(ModuleType):
    @staticmethod
    def is_valid_syntax(term: str, syntax: str) -> bool:
        """What rfc3987_syntax says of a text; the first call imports it."""
        return _imported().is_valid_syntax(term, syntax)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # importlib and inspect look for some that a module need not have
            raise AttributeError(name)
        return getattr(_imported(), name)


def _imported() -> ModuleType:
    if isinstance(sys.modules.get(_GRAMMAR), _Deferred):
        del sys.modules[_GRAMMAR]
    return importlib.import_module(_GRAMMAR)
