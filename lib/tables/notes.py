"""Sentences about several files of a table."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.errors import format_count


def merge_repeated(notes: Iterable[str]) -> list[str]:
    """Return each note once. Of notes that differ only in numbers, return the first, and say how many more there are.

    Examples
    --------
    >>> merge_repeated(["Line 7 is short.", "UTF-8.", "Line 9 is short.", "Line 4 is short."])
    ['Line 7 is short. (2 more notes like this.)', 'UTF-8.']
    """
    groups: dict[str, list[str]] = {}
    for note in dict.fromkeys(notes):
        groups.setdefault(re.sub(r"\d[\d,.]*\d|\d", "", note), []).append(note)
    return [_describe_group(group) for group in groups.values()]


def _describe_group(group: list[str]) -> str:
    others_count = len(group) - 1
    if not others_count:
        return group[0]
    return f"{group[0]} ({format_count(others_count, 'more note')} like this.)"
