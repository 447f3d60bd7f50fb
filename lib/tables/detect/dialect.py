"""The dialect of a text file: its compression, encoding, separator, quoting and header position."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from lib.errors import DataError
from lib.tables.detect import encodings, header_detection
from lib.tables.detect.byte_scanner import TextScan, scan_text
from lib.tables.detect.header_detection import SAMPLE_BYTES, SEPARATORS

if TYPE_CHECKING:
    import _csv

_WIDE_ENCODING_SAMPLE_BYTES = 4_000
_MIN_SAMPLE_LINES, _MAX_SAMPLE_BYTES = 3, 2**24
# Excel's marker for the separator in the first line: `sep=;`
_SEPARATOR_LINE = re.compile(rf'"?sep=([{SEPARATORS}])"?(\r\n|\r|\n)', re.IGNORECASE)
_SEPARATOR_NAMES = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "pipes",
    " ": "spaces",
    "~": "tildes",
    "^": "carets",
    "\x01": "the character 0x01",
    "\x1f": "the character 0x1f",
}
# The first bytes of other file types that are often saved with the suffix of a text file.
_MISNAMED_TYPES = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
}
_MARKUP = re.compile(rb"(\xef\xbb\xbf)?\s*(?:(<(?:html|!doctype|\?xml|table))|\[?\s*\{\s*[\"}])", re.IGNORECASE)
# Which of four consecutive bytes are mostly NUL if ASCII text is written in an encoding of two or four bytes.
_WIDE_ENCODINGS = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
_CR_LINE_ENDING = re.compile(r"\r(?!\n)")
_SYSTEM_FILE = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$)")
# Raised by damaged or encrypted files, and by files that are not archives despite their suffix.
READ_ERRORS = (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes
    ----------
    encoding : str
        One of `encodings.DISPLAY_NAMES`, or the encoding that the user set.
    separator : str
    header : list of str
        Column names as written, without surrounding spaces.
    lines_before_header : int
        Lines above the header: empty lines, Excel's ``sep=;`` and title rows.
    title_rows : int
        Rows above the header that describe the table.
    scan : TextScan
    skip_initial_space : bool
        Whether a space after a separator is padding and not part of the value.
    escape_character : str
        A backslash if quotes within values are escaped with it, as MySQL does; else empty: quotes are doubled.
    has_row_names : bool
        Whether rows start with a row number that the header has no name for, as R writes tables.
    has_cr_line_endings : bool
        Whether a line up to the header ends with a carriage return alone, as on a Mac before 2001.
    encoding_note : str
        A sentence about an uncertain encoding, else empty.
    """

    encoding: str
    separator: str
    header: list[str]
    lines_before_header: int
    title_rows: int
    scan: TextScan
    skip_initial_space: bool = False
    escape_character: str = ""
    has_row_names: bool = False
    has_cr_line_endings: bool = False
    encoding_note: str = ""

    @property
    def needs_csv_module(self) -> bool:
        """Whether pyarrow's reader lacks an option that the file needs, so that Python's csv module must read it."""
        return self.skip_initial_space or bool(self.escape_character)

    @property
    def is_ascii_compatible(self) -> bool:
        """Whether line breaks, quotes and separators are the same bytes as in ASCII."""
        return encodings.is_ascii_compatible(self.encoding)

    @property
    def text_encoding(self) -> str:
        """Encoding for Python's text readers, which drops a byte order mark."""
        return "utf-8-sig" if self.encoding == "utf-8" else self.encoding

    @property
    def csv_options(self) -> dict[str, Any]:
        """Keyword arguments for `csv.reader`."""
        return {
            "delimiter": self.separator,
            "skipinitialspace": self.skip_initial_space,
            "escapechar": self.escape_character or None,
        }

    def __str__(self) -> str:
        return f"{encodings.display_name(self.encoding)}, separated by {_SEPARATOR_NAMES[self.separator]}"


@contextmanager
def open_binary(path: Path, raw: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Open a text file for reading bytes, decompressed if it is a ``.gz`` or ``.zip`` file.

    Parameters
    ----------
    path : Path
    raw : binary file, optional
        The file at `path` if it is open already. The caller closes it.

    Raises
    ------
    DataError
        If a zip archive does not contain exactly one file.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(raw or path) as archive, _open_only_member(archive, path) as member:
            yield cast(BinaryIO, member)
    elif suffix == ".gz":
        with gzip.open(raw or path) as file:
            yield cast(BinaryIO, file)
    elif raw:
        yield raw
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def _open_only_member(archive: zipfile.ZipFile, path: Path) -> Iterator[IO[bytes]]:
    """Open the only file in a zip archive; files that macOS and Windows add do not count."""
    names = [name for name in archive.namelist() if not name.endswith("/") and not _SYSTEM_FILE.search(name)]
    if len(names) != 1:
        raise DataError(f"{path} contains {len(names)} files; expected one. Unpack it and give the path of the table.")
    with archive.open(names[0]) as file:
        if names[0].lower().endswith(".gz"):
            with gzip.open(file) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            yield file


def detect_dialect(path: Path, encoding: str = "") -> Dialect:
    """Detect the dialect of a text file from all of its bytes.

    Parameters
    ----------
    path : Path
    encoding : str
        Python name of the encoding; detected if empty.

    Raises
    ------
    DataError
        If the file is not text, has no header, or is not in the given encoding.
    """
    start = _read_start(path, encoding)
    if encoding:
        return _detect_with_encoding(path, start, encoding)
    detected = encodings.encoding_from_bom(start) or "utf-8"
    if not encodings.is_ascii_compatible(detected):
        return _parse_start(path, start, detected, _empty_scan())
    scan = _scan_file(path)
    if scan.non_utf8 is None:
        return _parse_start(path, start, detected, scan)
    detected = encodings.detect_encoding(scan.non_utf8, path)
    dialect = _parse_start(path, start, detected, scan)
    return replace(dialect, encoding_note=encodings.describe_guess(scan.non_utf8, detected))


def _detect_with_encoding(path: Path, start: bytes, encoding: str) -> Dialect:
    """Detect the rest of the dialect if the user set the encoding."""
    resolved = encodings.resolve_encoding(encoding, start, path)
    has_non_ascii = False
    if resolved != "utf-8":
        with open_binary(path) as file:
            has_non_ascii = encodings.check_encoding(file, path, resolved)
    if not encodings.is_ascii_compatible(resolved):
        return _parse_start(path, start, resolved, _empty_scan())
    scan = _scan_file(path)
    if resolved == "utf-8" and scan.non_utf8:
        raise encodings.invalid_byte_error(path, encoding, *scan.non_utf8.first_invalid)
    dialect = _parse_start(path, start, resolved, scan)
    if has_non_ascii and scan.non_utf8 is None:
        note = f"The whole file is valid UTF-8, but `encoding` is {encoding}. If letters look wrong, leave it empty."
        return replace(dialect, encoding_note=note)
    return dialect


def _scan_file(path: Path) -> TextScan:
    with open_binary(path) as file:
        return scan_text(file, path)


def _empty_scan() -> TextScan:
    """Return the most cautious scan, for encodings that are not ASCII-compatible and cannot be scanned."""
    return TextScan(non_utf8=None, has_balanced_quotes=False, has_quoted_line_breaks=True, may_have_leading_zeros=True)


def detect_prefix(path: Path) -> Dialect | None:
    """Detect the dialect from the first bytes only, assuming that the rest of the file is alike.

    The caller must check that assumption for every byte, as `ranges.read` does.

    Returns
    -------
    Dialect or None
        None if the first bytes are not UTF-8 or contain quoted line breaks.
    """
    start = _read_start(path)
    if encodings.encoding_from_bom(start) not in ("", "utf-8"):
        return None
    scan = scan_text(io.BytesIO(start[: start.rfind(b"\n") + 1]), path)
    if scan.non_utf8 or scan.has_quoted_line_breaks or not scan.has_balanced_quotes:
        return None
    return _parse_start(path, start, "utf-8", scan)


def _read_start(path: Path, encoding: str = "") -> bytes:
    """Return the first bytes of a file, at least some lines, and refuse other file types than text."""
    with open_binary(path) as file:
        start = file.read(SAMPLE_BYTES)
        while start.count(b"\n") < _MIN_SAMPLE_LINES and len(start) < _MAX_SAMPLE_BYTES:
            if not (data := file.read(SAMPLE_BYTES)):
                break
            start += data
    for magic, file_type in _MISNAMED_TYPES.items():
        if start.startswith(magic):
            raise DataError(f"{path} is not a text file but {file_type}. Save it as CSV, or correct its suffix.")
    if markup := _MARKUP.match(start):
        file_type = "an HTML or XML page" if markup[2] else "JSON"
        raise DataError(f"{path} is not a table but {file_type}. Save it as CSV.")
    if not encoding and not encodings.encoding_from_bom(start):
        if wide := _detect_wide_encoding(start[:_WIDE_ENCODING_SAMPLE_BYTES]):
            raise DataError(
                f"{path} is not plain text: line 1 contains a NUL byte, and so does every character, as in {wide} "
                f"without a byte order mark. Set `encoding` to {wide}."
            )
    return start


def _detect_wide_encoding(start: bytes) -> str:
    """Return the encoding of two or four bytes per character whose NUL bytes fit mostly ASCII text, or ""."""
    is_mostly_nul = [start[offset::4].count(0) * 4 > len(start) / 2 for offset in range(4)]
    return next((name for pattern, name in _WIDE_ENCODINGS.items() if list(pattern) == is_mostly_nul), "")


def _parse_start(path: Path, start: bytes, encoding: str, scan: TextScan) -> Dialect:
    """Return the dialect of a file whose encoding is known."""
    sample = start.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    text = sample.lstrip("\r\n")
    separator_line = _SEPARATOR_LINE.match(text)
    if separator_line:
        text = text[separator_line.end() :].lstrip("\r\n")
    if not text.strip():
        raise DataError(f"{path} has no header. Give the column names in its first line.")

    separator = separator_line[1] if separator_line else header_detection.detect_separator(text)
    if separator in header_detection.SEPARATORS_ABOVE_COMMA:
        scan = replace(scan, may_have_leading_zeros=True)
    skip_initial_space = header_detection.skips_initial_space(text, separator)
    escape_character = header_detection.detect_escape_character(text, separator)
    rows = header_detection.parse_rows(text, separator, skip_initial_space, escape_character)
    title_rows = header_detection.count_title_rows(rows)
    has_row_names = header_detection.has_row_names(rows[title_rows:])

    reader = csv.reader(
        io.StringIO(text, newline=None),
        delimiter=separator,
        skipinitialspace=skip_initial_space,
        escapechar=escape_character or None,
    )
    header, lines_above = _read_header(reader, title_rows)
    if has_row_names:
        header = ["", *header]
    lines_before_header = len(sample[: len(sample) - len(text)].splitlines()) + lines_above
    lines_to_header = "".join(sample.splitlines(keepends=True)[: lines_before_header + 1])
    return Dialect(
        encoding=encoding,
        separator=separator,
        header=[header_detection.clean_name(name) or f"Unnamed: {index}" for index, name in enumerate(header)],
        lines_before_header=lines_before_header,
        title_rows=title_rows,
        scan=scan,
        skip_initial_space=skip_initial_space,
        escape_character=escape_character,
        has_row_names=has_row_names,
        has_cr_line_endings=bool(_CR_LINE_ENDING.search(lines_to_header)),
    )


def _read_header(reader: _csv._reader, title_rows: int) -> tuple[list[str], int]:
    """Return the first row below the titles, and the number of lines above it."""
    row: list[str] = []
    lines_above, titles_left = 0, title_rows
    for row in reader:
        if row and titles_left == 0:
            break
        titles_left -= bool(row)
        lines_above = reader.line_num
    return row, lines_above
