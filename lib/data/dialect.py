"""How a text file is written: its compression, encoding and separator, found by looking at every byte of it once."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from lib.data import encodings, layout
from lib.data.layout import SEPARATORS, SNIFFED_BYTES
from lib.data.scan import Scan, scan
from lib.errors import DataError

_LOOKED_AT = 4_000
_FEWEST_LINES, _LONGEST_HEADER_BYTES = 3, 2**24
_TOLD = re.compile(rf'"?sep=([{SEPARATORS}])"?(\r\n|\r|\n)', re.IGNORECASE)
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
_OLD_BREAK = re.compile(r"\r(?!\n)")
_LEFT_BY_SYSTEMS = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$)")
# What a file that is broken, encrypted or no archive at all raises.
UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes
    ----------
    encoding : str
        Of `encodings.NAMES`, or the one that was asked for.
    separator : str
    header : list of str
        Names of the columns as they stand, less blanks at their ends.
    lines_before : int
        Lines before the header: empty ones, the ``sep=;`` that Excel takes for itself, and titles.
    titles : int
        Lines before the header that only say what the table is.
    scan : Scan
    is_padded : bool
        Whether blanks stand between a separator and what follows, and are none of it.
    escape : str
        Sign before a quote that ends no value, where it is not another quote: a backslash, as MySQL writes; else empty.
    has_row_names : bool
        Whether rows begin with their number, for which the header has no name, as R writes them.
    has_old_breaks : bool
        Whether a line up to the header ends as on a Mac of old, by a return alone.
    doubt : str
        A sentence on an encoding that is not sure; empty where it is.
    """

    encoding: str
    separator: str
    header: list[str]
    lines_before: int
    titles: int
    scan: Scan
    is_padded: bool = False
    escape: str = ""
    has_row_names: bool = False
    has_old_breaks: bool = False
    doubt: str = ""

    @property
    def is_for_python(self) -> bool:
        """Whether only Python's csv reads it right."""
        return self.is_padded or bool(self.escape)

    @property
    def has_plain_breaks(self) -> bool:
        """Whether its line breaks are those of ASCII."""
        return encodings.has_plain_breaks(self.encoding)

    @property
    def for_csv(self) -> dict[str, Any]:
        """Arguments of Python's `csv.reader`."""
        return {
            "delimiter": self.separator,
            "skipinitialspace": self.is_padded,
            "escapechar": self.escape or None,
        }

    def __str__(self) -> str:
        return f"{encodings.named(self.encoding)}, separated by {_SIGNS[self.separator]}"


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


def look(path: Path, encoding: str = "") -> Dialect:
    """Dialect of a text file, by every byte of it.

    Parameters
    ----------
    path : Path
    encoding : str
        By its name in Python; empty: found by looking.

    Raises
    ------
    DataError
        Where it is no text, has no header, or is in another encoding.
    """
    start = _start(path, encoding)
    found = encodings.given(encoding, start, path) if encoding else encodings.of_mark(start) or "utf-8"
    doubt, is_beyond_ascii = "", False
    if encoding and found != "utf-8":
        with opened(path) as file:
            is_beyond_ascii = encodings.check(file, path, found)
    if not encodings.has_plain_breaks(found):  # rare, and read with care in any case
        scanned = Scan(strange=None, is_balanced=False, has_breaks=True, may_have_codes=True)
        return _dialect(path, start, found, scanned)
    with opened(path) as file:
        scanned = scan(file, path)
    if encoding and found == "utf-8" and scanned.strange:
        line, byte = scanned.strange.first
        raise DataError(
            f"{path} is not in {encoding}: line {line} has the byte 0x{byte:02x}, which is none of it. Say another "
            "encoding, or leave it empty."
        )
    if encoding and is_beyond_ascii and scanned.strange is None:
        doubt = f"All its bytes are UTF-8, though encoding is {encoding}: if its letters look wrong, leave it empty."
    if not encoding and scanned.strange:
        found = encodings.encoding_of(scanned.strange, path)
        doubt = encodings.told_of_guess(scanned.strange, found)
    return replace(_dialect(path, start, found, scanned), doubt=doubt)


def foresee(path: Path) -> Dialect | None:
    """Dialect of a text file where all of it is as plain as its beginning; None where that is not."""
    start = _start(path)
    if encodings.of_mark(start) not in ("", "utf-8"):
        return None
    scanned = scan(io.BytesIO(start[: start.rfind(b"\n") + 1]), path)
    if scanned.strange or scanned.has_breaks or not scanned.is_balanced:
        return None
    return _dialect(path, start, "utf-8", scanned)


def _start(path: Path, encoding: str = "") -> bytes:
    with opened(path) as file:
        start = file.read(SNIFFED_BYTES)
        while start.count(b"\n") < _FEWEST_LINES and len(start) < _LONGEST_HEADER_BYTES:
            if not (more := file.read(SNIFFED_BYTES)):
                break
            start += more
    for magic, kind in _MISNAMED.items():
        if start.startswith(magic):
            raise DataError(f"{path} is no text but {kind}. Save it as CSV, or give it the right ending.")
    if markup := _MARKUP.match(start):
        kind = "a page of HTML or XML" if markup[2] else "JSON"
        raise DataError(f"{path} is no table of text but {kind}. Save it as CSV.")
    if not encoding and not encodings.of_mark(start) and (wide := _wide(start[:_LOOKED_AT])):
        raise DataError(
            f"{path} is no plain text: line 1 has a NUL byte, and so has every sign, as in {wide} without a byte order "
            f"mark. Say so: encoding: {wide}."
        )
    return start


def _wide(start: bytes) -> str:
    """Encoding of several bytes a sign, most of which are NUL where a text is in English; empty where it is none."""
    nuls = [start[place::4].count(0) * 4 > len(start) / 2 for place in range(4)]
    wide = {(0, 1, 1, 1): "utf-32-le", (1, 1, 1, 0): "utf-32-be", (0, 1, 0, 1): "utf-16-le", (1, 0, 1, 0): "utf-16-be"}
    return wide.get(tuple(map(int, nuls)), "")


def _dialect(path: Path, start: bytes, encoding: str, scanned: Scan) -> Dialect:
    beginning = start.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    rest = beginning.lstrip("\r\n")
    told = _TOLD.match(rest)
    rest = rest[told.end() :].lstrip("\r\n") if told else rest
    if not rest.strip():
        raise DataError(f"{path} has no header. Its first line names the columns.")
    separator = told[1] if told else layout.separator_of(rest)
    is_padded, escape = layout.is_padded(rest, separator), layout.escape_of(rest, separator)
    reader = csv.reader(
        io.StringIO(rest, newline=None), delimiter=separator, skipinitialspace=is_padded, escapechar=escape or None
    )
    titles = left = layout.titles_of(layout.rows_of(rest, separator, is_padded, escape))
    begun = 0
    for row in reader:
        if row and not left:
            break
        left, begun = left - bool(row), reader.line_num
    if separator in layout.ABOVE_COMMAS:  # behind which the scan looks for no code
        scanned = replace(scanned, may_have_codes=True)
    has_row_names = layout.has_row_names(layout.rows_of(rest, separator, is_padded, escape)[titles:])
    row = ["", *row] if has_row_names else row
    before = len(beginning[: len(beginning) - len(rest)].splitlines()) + begun
    above = "".join(beginning.splitlines(keepends=True)[: before + 1])
    return Dialect(
        encoding=encoding,
        separator=separator,
        header=[layout.visible(name) or f"Unnamed: {place}" for place, name in enumerate(row)],
        lines_before=before,
        titles=titles,
        scan=scanned,
        is_padded=is_padded,
        escape=escape,
        has_row_names=has_row_names,
        has_old_breaks=bool(_OLD_BREAK.search(above)),
    )
