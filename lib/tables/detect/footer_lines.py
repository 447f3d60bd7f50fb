"""Detection of lines below a table: rows without values, and footnotes."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import NamedTuple

from lib.errors import format_count
from lib.tables.detect import encodings
from lib.tables.detect.cell_shapes import is_number
from lib.tables.detect.raw_files import COMPRESSED_SUFFIXES, open_binary
from lib.tables.detect.records import CsvFormat

_TAIL_BYTES = 2**16
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_MIN_COLUMNS_FOR_FOOTNOTE = 3
_MAX_NOTE_LENGTH = 40
# A multiple of four bytes, so that the end of a UTF-16 or UTF-32 file begins with a whole character.
_BLOCK_BYTES = 2**20


class Footer(NamedTuple):
    """The lines below a table.

    Attributes
    ----------
    table_bytes : int
        Size of the uncompressed file in bytes, without the footer; 0 if there is no footer.
    note : str
        A sentence about the footer, else empty.
    """

    table_bytes: int = 0
    note: str = ""


def detect_footer(path: Path, csv_format: CsvFormat, column_count: int, encoding: str) -> Footer:
    """Detect the lines below a table in the end of a file.

    A line belongs to the footer in two cases: all its fields are empty; or only the first field is filled, with words,
    and an empty line above or missing separators set the line apart from the rows.

    Parameters
    ----------
    path : Path
    csv_format : CsvFormat
    column_count : int
        Number of columns.
    encoding : str
        Encoding of the text, with its byte order. No footers are detected in stateful encodings such as UTF-7.
    """
    if column_count < 2 or len(csv_format.separator) > 1 or encodings.is_stateful(encoding):
        return Footer()
    size, tail = _read_tail(path)
    # The first line is incomplete, or it is the header. `splitlines` would also split at rarer characters, such as a
    # form feed, which are part of a value.
    lines = _LINE.findall(tail.decode(encoding, "replace"))[1:]
    first = _find_first_footer_line(lines, csv_format, column_count)
    cells = [cell for line in lines[first:] for cell in _split_fields(line, csv_format) if cell.strip()]
    footer_line_count = sum(bool(_split_fields(line, csv_format)) for line in lines[first:])
    if not footer_line_count:
        return Footer()
    footer_text = "".join(lines[first:])
    footer_bytes = footer_text.encode(encoding, "replace")
    if not tail.endswith(footer_bytes):  # e.g. a byte that is not valid in the encoding
        return Footer()
    table_bytes = size - len(footer_bytes)
    if not cells:
        return Footer(table_bytes, f"Left out {format_count(footer_line_count, 'empty row')} below the table.")
    first_note = cells[0].strip()[:_MAX_NOTE_LENGTH]
    return Footer(table_bytes, f"Left out {format_count(footer_line_count, 'line')} below the table ({first_note!r}).")


def _read_tail(path: Path) -> tuple[int, bytes]:
    """Return the size of the uncompressed content in bytes, and the last bytes."""
    if path.suffix.lower() not in COMPRESSED_SUFFIXES:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES) // 4 * 4)
            return size, file.read()
    size, tail, previous = 0, b"", b""
    with open_binary(path) as content:
        while block := content.read(_BLOCK_BYTES):
            size += len(block)
            previous, tail = tail, block
    start = max(0, size - _TAIL_BYTES) // 4 * 4
    return size, (previous + tail)[start - size :]


def _find_first_footer_line(lines: list[str], csv_format: CsvFormat, column_count: int) -> int:
    """Return the index of the first line below the table; the number of lines if there is none."""
    start = len(lines)
    while start and _is_empty_or_footnote(_split_fields(lines[start - 1], csv_format), column_count):
        start -= 1
    # A line as wide as the table may be a row with one value, unless an empty or shorter line sets it apart.
    while start < len(lines):
        cells = _split_fields(lines[start], csv_format)
        if len(cells) < column_count or not cells[0].strip():
            break
        start += 1
    return start


def _split_fields(line: str, csv_format: CsvFormat) -> list[str]:
    """Return the fields of a line. For a line that begins or ends within quotes, return two: it is not a footnote."""
    if line.count(csv_format.quote_character) % 2:
        return [line, line]
    return next(csv.reader([line], **csv_format.csv_options), [])


def _is_empty_or_footnote(cells: list[str], column_count: int) -> bool:
    return not any(map(str.strip, cells)) or _is_footnote(cells, column_count)


def _is_footnote(cells: list[str], column_count: int) -> bool:
    """Return whether a line has words in its first field and nothing else."""
    if column_count < _MIN_COLUMNS_FOR_FOOTNOTE or not 1 <= len(cells) <= column_count:
        return False
    if any(cell.strip() for cell in cells[1:]):
        return False
    text = cells[0].strip()
    return not is_number(text) and (" " in text or not text[:1].isalnum())
