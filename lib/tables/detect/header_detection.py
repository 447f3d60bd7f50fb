"""Detection of separator, header position and quoting from the first lines of a text file."""

from __future__ import annotations

import csv
import io
import re
import statistics
import sys
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

SEPARATORS = ",;\t|"
# Considered only if none of the above splits the lines at all.
_RARE_SEPARATORS = "~^\x01\x1f "
# Separators above the comma in ASCII, which `scan` does not recognize as the start of a value.
SEPARATORS_ABOVE_COMMA = "~^"
SAMPLE_BYTES, _SAMPLE_LINES = 65536, 50
_MIN_UNIFORM_SHARE = 0.9
_NUMBER = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)(e[+-]?\d+)?%?", re.IGNORECASE)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
# The csv module's default limit of 131,072 characters per cell is too low for long texts.
csv.field_size_limit(sys.maxsize)

Row = list[str]


def clean_name(name: str) -> str:
    r"""Return a column name without surrounding spaces and invisible characters.

    >>> clean_name(" \u200bprice ")
    'price'
    """
    return _INVISIBLE.sub("", name).strip()


def skips_initial_space(text: str, separator: str) -> bool:
    """Return whether a space after a separator is padding: before quotes, or because spaces are the separator.

    >>> skips_initial_space('name, "price"', ",")
    True
    """
    if separator == " ":
        return True
    lines = text.splitlines()[:_SAMPLE_LINES]
    return 2 * sum(f'{separator} "' in line for line in lines) > len(lines)


def detect_escape_character(text: str, separator: str) -> str:
    r"""Return a backslash if the text escapes quotes with it, else "": quotes are doubled, as usual.

    >>> detect_escape_character('a,b\n1,"5\\" disk, new"\n', ",")
    '\\'
    """
    if '\\"' not in text:
        return ""
    with_backslash = _count_well_quoted_rows(text, separator, escape_character="\\")
    without = _count_well_quoted_rows(text, separator, escape_character=None)
    return "\\" if with_backslash > without else ""


def _count_well_quoted_rows(text: str, separator: str, escape_character: str | None) -> int:
    """Return the number of rows before the first one that violates the rules of quoting."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, escapechar=escape_character, strict=True)
    rows = 0
    with suppress(csv.Error):
        for _ in reader:
            rows += 1
    return rows


def has_row_names(rows: list[Row]) -> bool:
    """Return whether every row starts with a row number that the header has no name for, as R writes tables.

    >>> has_row_names([["x", "y"], ["1", "a", "b"], ["2", "c", "d"]])
    True
    """
    header, *body = rows
    if len(body) < 2 or {len(row) for row in body} != {len(header) + 1}:
        return False
    if not any(row[-1] for row in body):  # the extra field is empty: a trailing separator
        return False
    first_fields = [row[0] for row in body]
    return all(map(str.isdecimal, first_fields)) and all(
        int(number) + 1 == int(following) for number, following in pairwise(first_fields)
    )


def parse_rows(text: str, separator: str, skip_initial_space: bool = False, escape_character: str = "") -> list[Row]:
    r"""Return the fields of the first lines of a text, without empty rows.

    >>> parse_rows("a;b\n\n1;2\n", ";")
    [['a', 'b'], ['1', '2']]
    """
    lines = text.splitlines()[:_SAMPLE_LINES]
    if len(text) >= SAMPLE_BYTES // 2 and len(lines) > 1:
        lines = lines[:-1]  # the sample may end within this line
    options: dict[str, Any] = {
        "skipinitialspace": skip_initial_space or separator == " ",
        "escapechar": escape_character or None,
    }
    return [row for row in csv.reader(lines, delimiter=separator, **options) if row]


def count_title_rows(rows: list[Row]) -> int:
    """Return the number of rows above the header: titles, comments, and names of column groups.

    Returns 0 if no row in the first half of the sample looks like a header.

    >>> count_title_rows([["Sales of May"], ["item", "price"], ["pen", "3"], ["ink", "5"]])
    1
    """
    width = _usual_width(rows)
    for index, row in enumerate(rows[: len(rows) // 2]):
        if not _is_title(row, rows[index + 1 :], width):
            return index if len(row) == width else 0
    return 0


def _is_title(row: Row, rows_below: list[Row], width: int) -> bool:
    """Return whether a row is above the header, in a table of this many columns."""
    if len(row) == 1 < width or 2 * len(row) < width:
        return True
    filled = sum(map(bool, row))
    if filled <= 1 < width - 1:
        # A title that a spreadsheet padded with empty cells. It is a header with one name if numbers follow.
        next_row = next((below for below in rows_below if len(below) == width and sum(map(bool, below)) > 1), [])
        if not any(map(_is_number, next_row)):
            return True
    if row[0].startswith("#"):  # a comment, or a header that starts with "#"
        uncommented = [below for below in rows_below if not below[0].startswith("#")]
        if len(row) != width or _is_header_of_numbers(uncommented):
            return True
    if len(set(row)) < len(row) or "" in row:
        # Repeated or empty names: a row of column groups if a proper header follows.
        header = rows_below[0]
        is_proper_header = len(set(header)) == width and "" not in header
        return len(row) == width and is_proper_header and _is_header_of_numbers(rows_below)
    return False


def _is_header_of_numbers(rows: list[Row]) -> bool:
    """Return whether the first row contains no number, and some column below it contains numbers only."""
    first, *below = rows or [[]]
    body = [row for row in below if len(row) == len(first)]
    if not body or any(map(_is_number, first)):
        return False
    columns = [[row[index] for row in body if row[index]] for index in range(len(first))]
    return any(column and all(map(_is_number, column)) for column in columns)


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()))


def _usual_width(rows: list[Row]) -> int:
    """Return the most frequent number of fields per row."""
    return statistics.mode(map(len, rows)) if rows else 0


class _SeparatorFit(NamedTuple):
    """The quality of a separator. Fits compare field by field, in this order."""

    is_perfect: bool  # all rows have the same width, and no row is above the header
    is_uniform: bool
    number_share: float
    uniform_share: float
    width: int


def detect_separator(text: str) -> str:
    r"""Return the separator that splits the first lines most evenly into fields.

    >>> detect_separator("price;weight\n1,5;2,5\n3,25;4,0\n")
    ';'
    """
    fits = {separator: _rate_separator(text, separator) for separator in SEPARATORS}
    best = max(fits, key=lambda separator: fits[separator])
    if fits[best].uniform_share:
        return best
    rare_fits = {separator: _rate_separator(text, separator) for separator in _RARE_SEPARATORS}
    best_rare = max(rare_fits, key=lambda separator: rare_fits[separator])
    return best_rare if rare_fits[best_rare].is_perfect else best


def _rate_separator(text: str, separator: str) -> _SeparatorFit:
    rows = parse_rows(text, separator)
    titles = count_title_rows(rows)
    rows = rows[titles:]
    width = len(rows[0]) if rows else 0
    if width <= 1:
        uniform_share = 0.0
    elif has_row_names(rows):
        uniform_share = 1.0
    else:
        uniform_share = sum(len(row) == width for row in rows) / len(rows)
    cells = [cell for row in rows[1:] for cell in row if cell]
    return _SeparatorFit(
        # With commas, `price;weight` above decimal commas would pass for a title: prefer separators without titles.
        is_perfect=titles == 0 and uniform_share == 1,
        is_uniform=uniform_share > _MIN_UNIFORM_SHARE,
        number_share=sum(map(_is_number, cells)) / max(1, len(cells)),
        uniform_share=uniform_share,
        width=width,
    )
