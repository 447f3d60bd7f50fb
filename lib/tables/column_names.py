"""Names of the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence


def deduplicate_names(names: Sequence[str]) -> list[str]:
    """Number repeated names.

    Examples
    --------
    >>> deduplicate_names(["price", "size", "price"])
    ['price', 'size', 'price.2']
    """
    unique: list[str] = []
    taken = set(names)
    seen: set[str] = set()
    for name in names:
        number, new = 2, name
        while new in seen or (new != name and new in taken):
            new = f"{name}.{number}"
            number += 1
        seen.add(new)
        unique.append(new)
    return unique
