"""How the first lines of a text file are laid out: what separates values, where the header is, what quotes mean."""

from __future__ import annotations

import csv
import io
import re
import statistics
import sys
from contextlib import suppress
from itertools import pairwise
from typing import Any

SEPARATORS = ",;\t|"
# Taken only where none of the others cuts the lines at all.
_RARE_SEPARATORS = "~^\x01\x1f "
ABOVE_COMMAS = "~^"
SNIFFED_BYTES, _SNIFFED_LINES = 65536, 50
_MOSTLY_SAME = 0.9
_NUMBER = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)(e[+-]?\d+)?%?", re.IGNORECASE)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
# A cell of 131,072 signs is Python's limit, and no file's.
csv.field_size_limit(sys.maxsize)


def visible(name: str) -> str:
    """Name without blanks at its ends, and without signs that nobody sees and nobody types."""
    return _INVISIBLE.sub("", name).strip()


def is_padded(rest: str, separator: str) -> bool:
    """Whether blanks are no part of values: where they separate, or stand before what is in quotes."""
    if separator == " ":
        return True
    lines = rest.splitlines()[:_SNIFFED_LINES]
    return 2 * sum(f'{separator} "' in line for line in lines) > len(lines)


def escape_of(rest: str, separator: str) -> str:
    """A backslash, where quotes behind one would otherwise end values in the midst of them."""
    if '\\"' not in rest:
        return ""

    def right(escape: str | None) -> int:
        """Rows until one breaks the rules of quotes."""
        reader = csv.reader(io.StringIO(rest, newline=""), delimiter=separator, escapechar=escape, strict=True)
        rows = 0
        with suppress(csv.Error):
            for _ in reader:
                rows += 1
        return rows

    return "\\" if right("\\") > right(None) else ""


def has_row_names(rows: list[list[str]]) -> bool:
    """Whether all rows but the header have one field more, which counts them."""
    header, *below = rows
    numbers = [row[0] for row in below]
    # One more, and empty, is a separator at the end of each line.
    if len(below) < 2 or {len(row) for row in below} != {len(header) + 1} or not any(row[-1] for row in below):
        return False
    return all(map(str.isdecimal, numbers)) and all(int(one) + 1 == int(other) for one, other in pairwise(numbers))


def rows_of(beginning: str, separator: str, is_padded: bool = False, escape: str = "") -> list[list[str]]:
    """Fields of the first lines, empty ones left out."""
    lines = beginning.splitlines()[:_SNIFFED_LINES]
    if len(beginning) >= SNIFFED_BYTES // 2 and len(lines) > 1:
        lines = lines[:-1]
    is_padded = is_padded or separator == " "
    options: dict[str, Any] = {"skipinitialspace": is_padded, "escapechar": escape or None}
    return [row for row in csv.reader(lines, delimiter=separator, **options) if row]


def titles_of(rows: list[list[str]]) -> int:
    """Number of rows above the header that only say what the table is: one field, or few, where others have many.

    So are comments behind a ``#``, and names of groups of columns above their own names.
    """
    width = _usual_width(rows)
    for place, row in enumerate(rows[: len(rows) // 2]):
        below = rows[place + 1 :]
        is_title = len(row) == 1 < width or 2 * len(row) < width
        if not is_title and sum(map(bool, row)) <= 1 < width - 1:  # as a spreadsheet pads it, or names for one column
            is_title = not any(map(_is_number, _next_of(width, below)))
        if not is_title and row[0].startswith("#"):
            is_title = len(row) != width or _names_numbers([one for one in below if not one[0].startswith("#")])
        if not is_title and (len(set(row)) < len(row) or "" in row):
            is_title = (
                len(row) == width and len(set(below[0])) == width and "" not in below[0] and _names_numbers(below)
            )
        if not is_title:
            return place if len(row) == width else 0
    return 0


def _next_of(width: int, rows: list[list[str]]) -> list[str]:
    """The first row of this width that is more than a title."""
    return next((row for row in rows if len(row) == width and sum(map(bool, row)) > 1), [])


def _names_numbers(rows: list[list[str]]) -> bool:
    """Whether the first of these rows has no number where all of a column below it are some."""
    first, *below = rows or [[]]
    same = [row for row in below if len(row) == len(first)]
    if not same or any(map(_is_number, first)):
        return False
    columns = [[row[place] for row in same if row[place]] for place in range(len(first))]
    return any(column and all(map(_is_number, column)) for column in columns)


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()))


def _usual_width(rows: list[list[str]]) -> int:
    return statistics.mode(map(len, rows)) if rows else 0


def separator_of(beginning: str) -> str:
    """The separator that cuts the first lines into the same number of fields, the more the better."""

    def fitness(separator: str) -> tuple[bool, bool, float, float, int]:
        rows = rows_of(beginning, separator)
        titles = titles_of(rows)
        rows = rows[titles:]
        width = len(rows[0]) if rows else 0
        same = sum(len(row) == width for row in rows) / max(1, len(rows)) if width > 1 else 0.0
        same = 1.0 if width > 1 and has_row_names(rows) else same
        cells = [cell for row in rows[1:] for cell in row if cell]
        numbers = sum(map(_is_number, cells)) / max(1, len(cells))
        # A header that it does not cut is a title to it, as `price;weight` is to the decimal commas below.
        return titles == 0 and same == 1, same > _MOSTLY_SAME, numbers, same, width

    found = {one: fitness(one) for one in SEPARATORS}
    best = max(found, key=found.get)
    if found[best][-2]:
        return best
    rare = {one: fitness(one) for one in _RARE_SEPARATORS}
    other = max(rare, key=rare.get)
    return other if rare[other][0] else best
