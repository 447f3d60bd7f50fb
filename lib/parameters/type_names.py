"""Types by the names that annotations and notebooks use for them."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
}


def has_type(value: Any, name: str) -> bool:
    """Return whether a value has the type with a name in `TYPES`; true and false are not numbers.

    Examples
    --------
    >>> has_type(3, "float"), has_type(True, "int")
    (True, False)
    """
    return isinstance(value, TYPES[name]) and (name == "bool" or not isinstance(value, bool))
