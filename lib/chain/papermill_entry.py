"""What papermill loads as the engine ``millrace``.

papermill loads its entry points while it is imported itself, so that nothing here may import it at the top.
"""

from __future__ import annotations

from typing import Any


class Engine:
    """`lib.chain.engine.MillraceEngine`, imported when it is first used."""

    @staticmethod
    def execute_notebook(*arguments: Any, **options: Any) -> Any:
        """Execute a notebook; papermill calls this."""
        return _engine().execute_notebook(*arguments, **options)

    @staticmethod
    def nb_kernel_name(*arguments: Any, **options: Any) -> str:
        """Name of a notebook's kernel."""
        return _engine().nb_kernel_name(*arguments, **options)

    @staticmethod
    def nb_language(*arguments: Any, **options: Any) -> str:
        """Language of a notebook."""
        return _engine().nb_language(*arguments, **options)


def _engine() -> Any:
    from lib.chain.engine import MillraceEngine

    return MillraceEngine
