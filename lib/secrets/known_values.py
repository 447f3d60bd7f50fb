"""The secret values that this process has resolved, and texts in which they are replaced by their reference."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from lib.secrets import private_values
from lib.secrets.spellings import MIN_CHARACTERS, make_pattern

_lock = threading.Lock()
_patterns: dict[str, tuple[str, re.Pattern[str]]] = {}  # by value: the reference and the pattern


def remember(reference: str, value: str) -> None:
    """Remember a resolved value, so that `mask` replaces it from now on.

    Parameters
    ----------
    reference : str
        How the parameters name the secret: ``env:NAME``, ``keyvault:NAME`` or ``${NAME}``.
    value : str
        The secret. Values shorter than `spellings.MIN_CHARACTERS` are ignored: they occur by chance everywhere.
    """
    if len(value) >= MIN_CHARACTERS and value not in _patterns:
        pattern = re.compile(make_pattern(value))
        with _lock:
            _patterns[value] = reference, pattern


def forget_all() -> None:
    """Forget all values, at the end of a run or a test."""
    with _lock:
        _patterns.clear()


def count() -> int:
    """Return how many values are remembered."""
    return len(_patterns)


def mask(text: str) -> str:
    """Return a text with each resolved value replaced by its reference, whatever its spelling.

    Values of private columns are replaced by ``[private]``.

    Examples
    --------
    >>> remember("${SAS}", "sig=Zm9v%2Bbar")
    >>> mask("403 for https://store/x?sig=Zm9v+bar")
    '403 for https://store/x?${SAS}'
    >>> forget_all()
    """
    return private_values.mask(replace(text, lambda reference: reference))


def replace(text: str, make_replacement: Callable[[str], str]) -> str:
    """Return a text in which each resolved value is replaced by a function of its reference."""
    # The longest values first, because one secret may contain another.
    for _, (reference, pattern) in sorted(_patterns.items(), key=lambda item: -len(item[0])):
        text = pattern.sub(lambda _, reference=reference: make_replacement(reference), text)  # type: ignore[misc]
    return text
