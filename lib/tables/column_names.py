"""Names of the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence

from lib.schema.text_values import normalize_text


def normalize_name(name: object) -> str:
    """Return a column name as text in Unicode's composed form (NFC), without surrounding spaces.

    Examples
    --------
    >>> normalize_name(" cafe\u0301 ") == "caf\u00e9"
    True
    """
    return normalize_text(str(name))


def deduplicate_names(names: Sequence[str]) -> list[str]:
    """Make names unique by numbering the repeated ones.

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
