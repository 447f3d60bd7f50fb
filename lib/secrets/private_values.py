"""Values of private columns, and texts in which they are replaced by a mark.

The parameter ``private_columns`` names the columns. A kernel remembers their values when it reads them, and masks them
in its outputs, figures, errors and logs.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator

MARK = "[private]"
_MIN_TEXT_CHARACTERS, _MIN_DIGITS = 4, 5  # shorter values occur by chance in ordinary text
_MAX_VALUES = 2_000_000
_BEGINNING_CHARACTERS = 16  # of a value that is cut off with an ellipsis
_WORD = re.compile(r"\w+")
_CUT_OFF = re.compile(r"[^\n\"<]{0,2000}?(?:\.\.\.|…)")
# Words that a table may contain as values, but that are not private.
_ORDINARY = {"true", "false", "none", "null", "missing", "unknown", "other"}

# By the first word of a value: by its position in the value and the value's length, the values.
_values: dict[str, dict[tuple[int, int], set[str]]] = {}
_beginnings: dict[str, set[tuple[int, str]]] = {}


def remember(values: Iterable[object]) -> None:
    """Remember values of private columns, so that `mask` hides them from now on.

    Values are ignored if they are texts of fewer than 4 characters or numbers of fewer than 5 digits: such texts occur
    by chance everywhere.

    Examples
    --------
    >>> remember(["Ada Lovelace", 36, 4410221])
    >>> mask("row 7: ADA, Ada Lovelace's number 4410221, aged 36")
    "row 7: ADA, [private]'s number [private], aged 36"
    >>> forget_all()
    """
    for count, value in enumerate(values):
        if count == _MAX_VALUES:
            break
        for text in _list_spellings(value):
            _add(text)


def forget_all() -> None:
    """Forget all values."""
    _values.clear()
    _beginnings.clear()


def mask(text: str) -> str:
    """Return a text in which each value of a private column is replaced by `MARK`."""
    if not _values:
        return text
    pieces, end = [], 0
    for match in _WORD.finditer(text):
        if match.start() < end:
            continue
        if (span := _find(text, match)) is not None and span[0] >= end:
            pieces += [text[end : span[0]], MARK]
            end = span[1]
    return "".join([*pieces, text[end:]]) if pieces else text


def _list_spellings(value: object) -> Iterator[str]:
    """Yield the texts by which a value may be shown; none for a value that is too short to be recognized."""
    if value is None or value != value:
        return
    if isinstance(value, bool):
        return
    if isinstance(value, int | float) or (hasattr(value, "dtype") and hasattr(value, "item")):
        number = value.item() if hasattr(value, "item") else value
        texts = {str(number), repr(number)}
        if isinstance(number, float) and number.is_integer():
            texts |= {str(int(number))}
        if isinstance(number, int) or (isinstance(number, float) and number.is_integer()):
            texts |= {f"{int(number):,}"}
        yield from (text for text in texts if sum(map(str.isdigit, text)) >= _MIN_DIGITS)
        return
    text = str(value).strip()
    if len(text) >= _MIN_TEXT_CHARACTERS and text.lower() not in _ORDINARY:
        yield from {text, html.escape(text), json.dumps(text)[1:-1], repr(text)[1:-1], " ".join(text.split())}


def _add(text: str) -> None:
    first = _WORD.search(text)
    if first is None:
        return
    _values.setdefault(first[0], {}).setdefault((first.start(), len(text)), set()).add(text)
    if len(text) > _BEGINNING_CHARACTERS:
        _beginnings.setdefault(first[0], set()).add((first.start(), text[:_BEGINNING_CHARACTERS]))


def _find(text: str, word: re.Match[str]) -> tuple[int, int] | None:
    """Return the range of the longest private value whose first word is at a position; None if there is none."""
    for (offset, length), values in sorted(_values.get(word[0], {}).items(), key=lambda item: -item[0][1]):
        start = word.start() - offset
        if start >= 0 and text[start : start + length] in values:
            after = text[start + length : start + length + 1]
            if not (after.isalnum() and text[start + length - 1].isalnum()):
                return start, start + length
    for offset, beginning in _beginnings.get(word[0], ()):
        start = word.start() - offset
        if start >= 0 and text.startswith(beginning, start):
            cut_off = _CUT_OFF.match(text, start + len(beginning))
            if cut_off:
                return start, cut_off.end()
    return None
