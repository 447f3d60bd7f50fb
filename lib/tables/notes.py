"""Sentences about several files of a table."""

from __future__ import annotations

import re
from collections.abc import Iterable


def merge_repeated(notes: Iterable[str]) -> list[str]:
    """Return each sentence once; of those that differ only in their numbers, the first one and how many follow.

    Examples
    --------
    >>> merge_repeated(["Line 7 is short.", "UTF-8.", "Line 9 is short.", "Line 4 is short."])
    ['Line 7 is short. (2 more notes like this.)', 'UTF-8.']
    """
    groups: dict[str, list[str]] = {}
    for note in dict.fromkeys(notes):
        groups.setdefault(re.sub(r"\d[\d,.]*\d|\d", "", note), []).append(note)
    return [_describe(group) for group in groups.values()]


def _describe(group: list[str]) -> str:
    others = len(group) - 1
    if not others:
        return group[0]
    return f"{group[0]} ({others:,} more {'note' if others == 1 else 'notes'} like this.)"
