"""Detection of lines below a table: rows without values, and footnotes."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import NamedTuple

from lib.tables.detect.cell_shapes import is_number
from lib.tables.detect.records import CsvFormat

_TAIL_BYTES = 2**16
_MIN_COLUMNS_FOR_FOOTNOTE = 3
_MAX_NOTE_LENGTH = 40
_NO_FOOTER_SUFFIXES = (".gz", ".zip")


class Footer(NamedTuple):
    """The lines below a table.

    Attributes
    ----------
    table_bytes : int
        Size of the file without them; 0 if there are none.
    note : str
        A sentence about them.
    """

    table_bytes: int = 0
    note: str = ""


def detect_footer(path: Path, csv_format: CsvFormat, width: int, encoding: str) -> Footer:
    """Detect the lines below a table in the end of an uncompressed file.

    A line belongs to the footer if all its fields are empty, or if only its first field is filled, with words, and an
    empty line or missing separators set it apart from the rows.

    Parameters
    ----------
    path : Path
    csv_format : CsvFormat
    width : int
        Number of columns.
    encoding : str
        ASCII-compatible encoding of the file.
    """
    if path.suffix.lower() in _NO_FOOTER_SUFFIXES or width < 2 or len(csv_format.separator) > 1:
        return Footer()
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().splitlines(keepends=True)[1:]  # the first line is cut, or it is the header
    texts = [line.decode(encoding, "replace") for line in lines]
    first = _first_footer_line(texts, csv_format, width)
    cells = [cell for text in texts[first:] for cell in _split(text, csv_format) if cell.strip()]
    rows = sum(bool(_split(text, csv_format)) for text in texts[first:])
    if not rows:
        return Footer()
    table_bytes = size - sum(map(len, lines[first:]))
    if not cells:
        return Footer(table_bytes, f"{rows} {'row' if rows == 1 else 'rows'} without a value below the table left out.")
    word = "line" if rows == 1 else "lines"
    return Footer(table_bytes, f"{rows} {word} below the table left out ({cells[0].strip()[:_MAX_NOTE_LENGTH]!r}).")


def _first_footer_line(lines: list[str], csv_format: CsvFormat, width: int) -> int:
    """Return the index of the first line below the table; the number of lines if there is none."""
    start = len(lines)
    while start and _is_empty_or_footnote(_split(lines[start - 1], csv_format), width):
        start -= 1
    # A line as wide as the table may be a row with one value, unless an empty or shorter line sets it apart.
    while start < len(lines) and len(cells := _split(lines[start], csv_format)) >= width and cells[0].strip():
        start += 1
    return start


def _split(line: str, csv_format: CsvFormat) -> list[str]:
    """Return the fields of a line. A line that begins or ends within quotes is no footnote: return two."""
    if line.count(csv_format.quote_character) % 2:
        return [line, line]
    return next(csv.reader([line], **csv_format.csv_options), [])


def _is_empty_or_footnote(cells: list[str], width: int) -> bool:
    return not any(map(str.strip, cells)) or _is_footnote(cells, width)


def _is_footnote(cells: list[str], width: int) -> bool:
    """Return whether a line has words in its first field and nothing else."""
    if width < _MIN_COLUMNS_FOR_FOOTNOTE or len(cells) > width or not cells or any(cell.strip() for cell in cells[1:]):
        return False
    text = cells[0].strip()
    return not is_number(text) and (" " in text or not text[:1].isalnum())
