"""Detection of separator, quote character and escape character from the first lines of a text file.

Each candidate is rated by the rows into which it splits the text: do they have equally many fields, and how many of the
cells have a known type? This follows van den Burg,
Nazábal & Sutton, "Wrangling messy CSV files by detecting row and type patterns", Data Mining and Knowledge Discovery 33
(2019), https://arxiv.org/abs/1811.11242.
"""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from typing import NamedTuple

from lib.tables.detect import header_detection
from lib.tables.detect.cell_shapes import ColumnShapes, is_number
from lib.tables.detect.header_detection import SAMPLE_LINES, parse_rows
from lib.tables.detect.records import CsvFormat

SEPARATORS = ",;\t|"
# Considered only if none of the above splits the lines evenly.
_RARE_SEPARATORS = "~^\x01\x1f "
# Separators above the comma in ASCII, which `ByteScanner` does not recognize as the start of a value.
SEPARATORS_ABOVE_COMMA = "~^"
# A run of punctuation, such as `||` or `|~|`.
_PUNCTUATION = re.compile(r"[^\w\s\"'.()\-+]{2,3}")
_MIN_UNIFORM_SHARE = 0.9
_MIN_PAIRED_QUOTE_SHARE = 0.9
_QUOTED = re.compile(r'"[^"]*"')
_MIN_QUOTED_CELLS = 3
_MIN_SPACE_SEPARATED_COLUMNS = 3
_MIN_NUMBER_SHARE = 0.5


def detect_format(text: str, separator: str = "") -> CsvFormat:
    r"""Detect how the fields of a text are written.

    Parameters
    ----------
    text : str
        First lines of a file.
    separator : str
        The separator if it is known.

    Examples
    --------
    >>> detect_format("id;name\n1;'a;b'\n2;'c'\n3;'d'\n")[:2]
    (';', "'")
    """
    if not separator:
        separator = _detect_long_separator(text) or detect_separator(text)
    quote = detect_quote_character(text, separator)
    if quote != '"' and len(separator) == 1:
        separator = detect_separator(text, quote)
    return CsvFormat(
        separator=separator,
        quote_character=quote,
        escape_character=detect_escape_character(text, separator, quote),
        skip_initial_space=skips_initial_space(text, separator, quote),
    )


def skips_initial_space(text: str, separator: str, quote: str = '"') -> bool:
    """Return whether a space after a separator is padding: before quotes, or because spaces are the separator.

    >>> skips_initial_space('name, "price"', ",")
    True
    """
    if separator == " ":
        return True
    lines = text.splitlines()[:SAMPLE_LINES]
    return 2 * sum(f"{separator} {quote}" in line for line in lines) > len(lines)


def detect_quote_character(text: str, separator: str) -> str:
    r"""Return the apostrophe if it encloses values and no double quote does, else the double quote.

    >>> detect_quote_character("1,'di'\n2,'bu'\n3,'ma'\n", ",")
    "'"
    """
    escaped_separator = re.escape(separator)
    if re.search(rf'(^|{escaped_separator} ?)"', text, re.MULTILINE):
        return '"'
    opening_quotes = len(re.findall(rf"(?:^|{escaped_separator} ?)'(?!{escaped_separator})", text, re.MULTILINE))
    closing_quotes = len(re.findall(rf"'(?=\r?$|{escaped_separator})", text, re.MULTILINE))
    fewer, more = sorted((opening_quotes, closing_quotes))
    is_enclosing = fewer >= max(_MIN_QUOTED_CELLS, _MIN_PAIRED_QUOTE_SHARE * more)
    return "'" if is_enclosing else '"'


def detect_escape_character(text: str, separator: str, quote: str = '"') -> str:
    r"""Return a backslash if the text escapes quotes with it; return "" if quotes are doubled, as usual.

    >>> detect_escape_character('a,b\n1,"5\\" disk, new"\n', ",")
    '\\'
    """
    if f"\\{quote}" not in text or len(separator) > 1:
        return ""
    with_backslash = _count_well_quoted_rows(text, separator, quote, escape_character="\\")
    without = _count_well_quoted_rows(text, separator, quote, escape_character=None)
    return "\\" if with_backslash > without else ""


def _count_well_quoted_rows(text: str, separator: str, quote: str, escape_character: str | None) -> int:
    """Return the number of rows before the first one that violates the rules of quoting."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, escapechar=escape_character, strict=True)
    rows = 0
    with suppress(csv.Error):
        for _ in reader:
            rows += 1
    return rows


class _SeparatorFit(NamedTuple):
    """The quality of a separator. Two of them compare field by field, in this order."""

    is_perfect: bool  # all rows have equally many fields, and no row is above the header
    is_uniform: bool
    number_share: float
    uniform_share: float
    field_count: int
    is_named_numbers: bool  # a row of names, with or without titles above it, and below it mainly numbers


def detect_separator(text: str, quote: str = '"') -> str:
    r"""Return the separator that splits the first lines most evenly into fields.

    >>> detect_separator("price;weight\n1,5;2,5\n3,25;4,0\n")
    ';'
    """
    fits = {separator: _rate_separator(text, separator, quote) for separator in SEPARATORS}
    best = max(fits, key=lambda separator: fits[separator])
    if fits[best].is_perfect:
        return best
    rare_fits = {separator: _rate_separator(text, separator, quote) for separator in _RARE_SEPARATORS}
    best_rare = max(rare_fits, key=lambda separator: rare_fits[separator])
    rare_fit = rare_fits[best_rare]
    if rare_fit.is_named_numbers and not fits[best].is_uniform:
        return best_rare
    if fits[best].uniform_share:
        # A common separator may occur equally often within the values of most rows.
        is_better = rare_fit.is_perfect and rare_fit.field_count > max(2, fits[best].field_count)
        return best_rare if is_better else best
    if rare_fit.is_perfect:
        return best_rare
    return " " if _has_unquoted_spaces(text, quote) else best


def _has_unquoted_spaces(text: str, quote: str) -> bool:
    r"""Return whether a text is separated by spaces, and values without quotes also contain spaces.

    Rows with such values have more fields than the header. Every row begins with a number or date, and other values are
    in quotes.

    >>> _has_unquoted_spaces('id size note\n1 2 "a b"\n2 5 c d\n3 4 "e"\n', '"')
    True
    """
    header, *rows = parse_rows(text, CsvFormat(" ", quote, skip_initial_space=True)) or [[]]
    if len(header) < _MIN_SPACE_SEPARATED_COLUMNS or not rows or any(len(row) < len(header) for row in rows):
        return False
    return f" {quote}" in text and ColumnShapes([row[:1] for row in rows]).is_typed(0)


def _rate_separator(text: str, separator: str, quote: str) -> _SeparatorFit:
    """Return how well a separator splits the first lines of a text."""
    rows = parse_rows(text, CsvFormat(separator, quote, skip_initial_space=separator == " "))
    title_row_count = header_detection.count_title_rows(rows)
    rows = rows[title_row_count:]
    field_count = len(rows[0]) if rows else 0
    if field_count <= 1:
        uniform_share = 0.0
    elif header_detection.has_row_names(rows):
        uniform_share = 1.0
    else:
        uniform_share = sum(len(row) == field_count for row in rows) / len(rows)
    cells = [cell for row in rows[1:] for cell in row if cell]
    number_share = sum(map(is_number, cells)) / max(1, len(cells))
    has_names = field_count > 0 and not any(map(is_number, rows[0]))
    return _SeparatorFit(
        # With commas, `price;weight` above decimal commas would pass for a title: prefer separators without titles.
        is_perfect=title_row_count == 0 and uniform_share == 1,
        is_uniform=uniform_share > _MIN_UNIFORM_SHARE,
        number_share=number_share,
        uniform_share=uniform_share,
        field_count=field_count,
        is_named_numbers=has_names and uniform_share == 1 and number_share >= _MIN_NUMBER_SHARE,
    )


def _detect_long_separator(text: str) -> str:
    r"""Return a separator of two or three characters, such as ``||``, or "".

    Every line must contain the separator equally often, and its first and last characters must not occur elsewhere.

    >>> _detect_long_separator("id||name\n1||a\n2||\n")
    '||'
    """
    lines = [line for line in text.splitlines()[:SAMPLE_LINES] if line.strip()][: -1 if len(text) > 30_000 else None]
    if len(lines) < 2:
        return ""
    lines = [_QUOTED.sub("", line) for line in lines]
    for candidate in sorted(set(_PUNCTUATION.findall(lines[0])), key=len, reverse=True):
        counts = {line.count(candidate) for line in lines}
        other_text = "".join(lines).replace(candidate, "")
        occurs_elsewhere = candidate[0] in other_text or candidate[-1] in other_text
        if len(counts) == 1 and not occurs_elsewhere and candidate.strip(",;"):
            return candidate
    return ""
