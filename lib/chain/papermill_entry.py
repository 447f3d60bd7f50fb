"""The entry point through which papermill finds the engine ``millrace``.

papermill loads entry points while it is itself being imported, so this module must not import papermill at the top.
"""

from __future__ import annotations

from typing import Any


class Engine:
    """`lib.chain.engine.MillraceEngine`, imported on first use."""

    @staticmethod
    def execute_notebook(*arguments: Any, **options: Any) -> Any:
        """Execute a notebook; called by papermill."""
        return _load_engine().execute_notebook(*arguments, **options)

    @staticmethod
    def nb_kernel_name(*arguments: Any, **options: Any) -> str:
        """Return the name of a notebook's kernel."""
        return _load_engine().nb_kernel_name(*arguments, **options)

    @staticmethod
    def nb_language(*arguments: Any, **options: Any) -> str:
        """Return the language of a notebook."""
        return _load_engine().nb_language(*arguments, **options)


def _load_engine() -> Any:
    from lib.chain.engine import MillraceEngine

    return MillraceEngine
