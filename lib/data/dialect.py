"""How a text file is written: its compression, encoding and separator, found by looking at every byte of it once."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import statistics
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lib.data.encodings import NAMES, encoding_of
from lib.data.scan import Scan, scan
from lib.errors import DataError

_SEPARATORS = ",;\t|"
# Taken only where none of the others cuts the lines at all.
_RARE_SEPARATORS = "~^\x01\x1f "
_SNIFFED_BYTES, _SNIFFED_LINES = 65536, 50
_FEWEST_LINES, _LONGEST_HEADER_BYTES = 3, 2**24
_MOSTLY_SAME = 0.9
_NUMBER = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)(e[+-]?\d+)?%?", re.IGNORECASE)
_TOLD = re.compile(rf'"?sep=([{_SEPARATORS}])"?(\r\n|\r|\n)', re.IGNORECASE)
_SIGNS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks", "~": "tildes", "^": "carets"}
_SIGNS |= {"\x01": "the sign 0x01", "\x1f": "the sign 0x1f"}
# What a file is that only bears the name of a text file, by its first bytes.
_MISNAMED = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "packed by gzip",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
}
_MARKUP = re.compile(rb"(\xef\xbb\xbf)?\s*(?:(<(?:html|!doctype|\?xml|table))|\[?\s*\{\s*[\"}])", re.IGNORECASE)
_LEFT_BY_SYSTEMS = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$)")
# A cell of 131,072 signs is Python's limit, and no file's.
csv.field_size_limit(sys.maxsize)
# What a file that is broken, encrypted or no archive at all raises.
UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes
    ----------
    encoding : str
        Of `encodings.NAMES`.
    separator : str
    header : list of str
        Names of the columns as they stand, less blanks at their ends.
    lines_before : int
        Lines before the header: empty ones, the ``sep=;`` that Excel takes for itself, and titles.
    titles : int
        Lines before the header that only say what the table is.
    scan : Scan
    """

    encoding: str
    separator: str
    header: list[str]
    lines_before: int
    titles: int
    scan: Scan

    def __str__(self) -> str:
        return f"{NAMES[self.encoding]}, separated by {_SIGNS[self.separator]}"


@contextmanager
def opened(path: Path, raw: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Bytes of a file, or of the one file in a ``.gz`` or ``.zip``; of `raw`, where it is open already.

    Raises
    ------
    DataError
        Where an archive holds none or several.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(raw or path) as archive:
            members = [one for one in archive.namelist() if not one.endswith("/") and not _LEFT_BY_SYSTEMS.search(one)]
            if len(members) != 1:
                raise DataError(f"{path} holds {len(members)} files; expected one. Unpack it and name the table.")
            with archive.open(members[0]) as file:
                if members[0].lower().endswith(".gz"):
                    with gzip.open(file) as unpacked:
                        yield unpacked
                else:
                    yield file
        return
    if suffix == ".gz":
        with gzip.open(raw or path) as file:
            yield file
        return
    with nullcontext(raw) if raw else path.open("rb") as file:
        yield file


def look(path: Path, on_breaks: Callable[[], object] = bool) -> Dialect:
    """Dialect of a text file, by every byte of it.

    Parameters
    ----------
    path : Path
    on_breaks : callable
        Called as soon as a quoted value may hold a line break.

    Raises
    ------
    DataError
        Where it is no text, or has no header.
    """
    start = _start(path)
    if _is_utf16(start):  # rare, and read with care in any case
        scanned = Scan(strange=None, is_balanced=False, has_breaks=True, may_have_codes=True)
        return _dialect(path, start, "utf-16", scanned)
    with opened(path) as file:
        scanned = scan(file, path, on_breaks)
    return _dialect(path, start, "utf-8" if scanned.strange is None else encoding_of(scanned.strange, path), scanned)


def foresee(path: Path) -> Dialect | None:
    """Dialect of a text file where all of it is as its beginning, which is in UTF-8; else None."""
    start = _start(path)
    if _is_utf16(start):
        return None
    scanned = scan(io.BytesIO(start[: start.rfind(b"\n") + 1]), path)
    return _dialect(path, start, "utf-8", scanned) if scanned.strange is None else None


def _start(path: Path) -> bytes:
    with opened(path) as file:
        start = file.read(_SNIFFED_BYTES)
        while start.count(b"\n") < _FEWEST_LINES and len(start) < _LONGEST_HEADER_BYTES:
            if not (more := file.read(_SNIFFED_BYTES)):
                break
            start += more
    for magic, kind in _MISNAMED.items():
        if start.startswith(magic):
            raise DataError(f"{path} is no text but {kind}. Save it as CSV, or give it the right ending.")
    if markup := _MARKUP.match(start):
        kind = "a page of HTML or XML" if markup[2] else "JSON"
        raise DataError(f"{path} is no table of text but {kind}. Save it as CSV.")
    return start


def _is_utf16(start: bytes) -> bool:
    return start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _dialect(path: Path, start: bytes, encoding: str, scanned: Scan) -> Dialect:
    beginning = start.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    rest = beginning.lstrip("\r\n")
    told = _TOLD.match(rest)
    rest = rest[told.end() :].lstrip("\r\n") if told else rest
    if not rest.strip():
        raise DataError(f"{path} has no header. Its first line names the columns.")
    separator = told[1] if told else _separator(rest)
    reader = csv.reader(io.StringIO(rest, newline=None), delimiter=separator)
    titles = left = _titles(_rows(rest, separator))
    begun = 0
    for row in reader:
        if row and not left:
            break
        left, begun = left - bool(row), reader.line_num
    return Dialect(
        encoding,
        separator,
        [name.strip() or f"Unnamed: {place}" for place, name in enumerate(row)],
        len(beginning[: len(beginning) - len(rest)].splitlines()) + begun,
        titles,
        scanned,
    )


def _rows(beginning: str, separator: str) -> list[list[str]]:
    """Fields of the first lines, empty ones left out."""
    lines = beginning.splitlines()[:_SNIFFED_LINES]
    if len(beginning) >= _SNIFFED_BYTES // 2 and len(lines) > 1:
        lines = lines[:-1]
    return [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=separator == " ") if row]


def _titles(rows: list[list[str]]) -> int:
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
            is_title = len(row) != width or _names_numbers(below)
        if not is_title and (len(set(row)) < len(row) or "" in row):
            is_title = len(row) == width and len(set(below[0])) == width and "" not in below[0] and _names_numbers(below)
        if not is_title:
            return place if len(row) == width else 0
    return 0


def _next_of(width: int, rows: list[list[str]]) -> list[str]:
    """The first row of this width that is more than a title."""
    return next((row for row in rows if len(row) == width and sum(map(bool, row)) > 1), [])


def _names_numbers(rows: list[list[str]]) -> bool:
    """Whether the first of these rows has no number where all of a column below it are some."""
    first, *below = rows
    same = [row for row in below if len(row) == len(first)]
    if not same or any(map(_is_number, first)):
        return False
    columns = [[row[place] for row in same if row[place]] for place in range(len(first))]
    return any(column and all(map(_is_number, column)) for column in columns)


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()))


def _usual_width(rows: list[list[str]]) -> int:
    return statistics.mode(map(len, rows)) if rows else 0


def _separator(beginning: str) -> str:
    """The separator that cuts the first lines into the same number of fields, the more the better."""

    def fitness(separator: str) -> tuple[bool, bool, float, float, int]:
        rows = _rows(beginning, separator)
        titles = _titles(rows)
        rows = rows[titles:]
        width = len(rows[0]) if rows else 0
        same = sum(len(row) == width for row in rows) / max(1, len(rows)) if width > 1 else 0.0
        cells = [cell for row in rows[1:] for cell in row if cell]
        numbers = sum(map(_is_number, cells)) / max(1, len(cells))
        # A header that it does not cut is a title to it, as `price;weight` is to the decimal commas below.
        return titles == 0 and same == 1, same > _MOSTLY_SAME, numbers, same, width

    found = {one: fitness(one) for one in _SEPARATORS}
    best = max(found, key=found.get)
    if found[best][-2]:
        return best
    rare = {one: fitness(one) for one in _RARE_SEPARATORS}
    other = max(rare, key=rare.get)
    return other if rare[other][0] else best
