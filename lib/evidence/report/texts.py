"""Values of exhibits as text, the same on pages and in Markdown."""

from __future__ import annotations

from typing import Any


def format_value(value: Any, nan_text: str = "") -> str:
    """Return a value of an exhibit as text; ``nan_text`` stands for None.

    Examples
    --------
    >>> [format_value(value) for value in (12345, 0.74321, 0.00001, True, "a|b", None)]
    ['12,345', '0.7432', '1e-05', 'yes', 'a|b', '']
    """
    if value is None:
        return nan_text
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value == 0 or 1e-3 <= abs(value) < 1e6:
            return f"{value:,.4f}"
        return f"{value:.4g}"
    return str(value)


def is_number(value: Any) -> bool:
    """Return whether a value is shown as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def format_name(name: str, marked: list[str]) -> str:
    """Return the name of a row or column, with a star if it is marked."""
    return f"{name} ★" if name in marked else name
