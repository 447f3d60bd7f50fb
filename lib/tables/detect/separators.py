"""Detection of separator, quote character and escape character from the first lines of a text file.

Every candidate is rated by how alike its rows are and by how many of its cells have a known type, as in van den Burg,
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
_QUOTED = re.compile(r'"[^"]*"')
_MIN_QUOTED_CELLS = 3
_MIN_SPACE_SEPARATED_COLUMNS = 3


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
        separator = _detect_repeated_separator(text) or detect_separator(text)
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
    border = re.escape(separator)
    if re.search(rf'(^|{border} ?)"', text, re.MULTILINE):
        return '"'
    starts = len(re.findall(rf"(?:^|{border} ?)'(?!{border})", text, re.MULTILINE))
    ends = len(re.findall(rf"'(?=\r?$|{border})", text, re.MULTILINE))
    is_enclosing = min(starts, ends) >= max(_MIN_QUOTED_CELLS, _MIN_UNIFORM_SHARE * max(starts, ends))
    return "'" if is_enclosing else '"'


def detect_escape_character(text: str, separator: str, quote: str = '"') -> str:
    r"""Return a backslash if the text escapes quotes with it, else "": quotes are doubled, as usual.

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
    """The quality of a separator. Fits compare field by field, in this order."""

    is_perfect: bool  # all rows have the same width, and no row is above the header
    is_uniform: bool
    number_share: float
    uniform_share: float
    width: int


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
    if fits[best].uniform_share:
        # A common separator may occur equally often within the values of most rows.
        is_better = rare_fits[best_rare].is_perfect and rare_fits[best_rare].width > max(2, fits[best].width)
        return best_rare if is_better else best
    if rare_fits[best_rare].is_perfect:
        return best_rare
    return " " if _has_unquoted_spaces(text, quote) else best


def _has_unquoted_spaces(text: str, quote: str) -> bool:
    r"""Return whether a text is separated by spaces, some of which also occur in values without quotes.

    Such rows have more fields than the header. Numbers or dates begin every row, and other values are in quotes.

    >>> _has_unquoted_spaces('id size note\n1 2 "a b"\n2 5 c d\n3 4 "e"\n', '"')
    True
    """
    header, *rows = parse_rows(text, CsvFormat(" ", quote, skip_initial_space=True)) or [[]]
    is_wide = len(header) >= _MIN_SPACE_SEPARATED_COLUMNS and rows and all(len(row) >= len(header) for row in rows)
    return bool(is_wide) and f" {quote}" in text and ColumnShapes([row[:1] for row in rows]).is_typed(0)


def _rate_separator(text: str, separator: str, quote: str) -> _SeparatorFit:
    rows = parse_rows(text, CsvFormat(separator, quote, skip_initial_space=separator == " "))
    titles = header_detection.count_title_rows(rows)
    rows = rows[titles:]
    width = len(rows[0]) if rows else 0
    if width <= 1:
        uniform_share = 0.0
    elif header_detection.has_row_names(rows):
        uniform_share = 1.0
    else:
        uniform_share = sum(len(row) == width for row in rows) / len(rows)
    cells = [cell for row in rows[1:] for cell in row if cell]
    return _SeparatorFit(
        # With commas, `price;weight` above decimal commas would pass for a title: prefer separators without titles.
        is_perfect=titles == 0 and uniform_share == 1,
        is_uniform=uniform_share > _MIN_UNIFORM_SHARE,
        number_share=sum(map(is_number, cells)) / max(1, len(cells)),
        uniform_share=uniform_share,
        width=width,
    )


def _detect_repeated_separator(text: str) -> str:
    r"""Return a separator of two or three characters, such as ``||``, or "".

    Every line must contain it equally often, and none of its characters outside of it.

    >>> _detect_repeated_separator("id||name\n1||a\n2||\n")
    '||'
    """
    lines = [line for line in text.splitlines()[:SAMPLE_LINES] if line.strip()][: -1 if len(text) > 30_000 else None]
    if len(lines) < 2:
        return ""
    lines = [_QUOTED.sub("", line) for line in lines]
    for candidate in sorted(set(_PUNCTUATION.findall(lines[0])), key=len, reverse=True):
        counts = {line.count(candidate) for line in lines}
        rest = "".join(lines).replace(candidate, "")
        if len(counts) == 1 and candidate[0] not in rest and candidate[-1] not in rest and candidate.strip(",;"):
            return candidate
    return ""
