"""The dialect of a text file: its compression, encoding, separator, quoting and header position."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from lib.errors import DataError
from lib.tables.detect import encodings, header_detection, separators
from lib.tables.detect.byte_scanner import TextScan, scan_text
from lib.tables.detect.footer_lines import Footer, detect_footer
from lib.tables.detect.raw_files import READ_ERRORS as READ_ERRORS
from lib.tables.detect.raw_files import FirstBytes, read_start
from lib.tables.detect.raw_files import open_binary as open_binary
from lib.tables.detect.records import CsvFormat, Record

# Excel's marker for the separator in the first line: `sep=;`
_SEPARATOR_LINE = re.compile(rf'"?sep=([{separators.SEPARATORS}])"?(\r\n|\r|\n)', re.IGNORECASE)
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
_MAX_LISTED_CELLS, _MAX_CELL_LENGTH = 3, 20
_CR_LINE_ENDING = re.compile(r"\r(?!\n)")


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes
    ----------
    encoding : str
        One of `encodings.DISPLAY_NAMES`, or the encoding that the user set.
    separator : str
    header : list of str
        Column names as written, without surrounding spaces; ``column_1``, ``column_2``, ... if the file has no header.
    lines_before_header : int
        Lines above the header, or above the first row if there is none: empty lines, Excel's ``sep=;`` and title rows.
    title_rows : int
        Rows above the header that describe the table.
    scan : TextScan
    quote_character : str
    skip_initial_space : bool
        Whether a space after a separator is padding and not part of the value.
    escape_character : str
        A backslash if quotes within values are escaped with it, as MySQL does; else empty: quotes are doubled.
    header_rows : int
        Rows that make up the header: 0 if the file has none, several if names of column groups are above others.
    header_lines : int
        Lines that the header takes up.
    has_row_names : bool
        Whether rows start with a row name that the header has no name for, as R writes tables.
    has_cr_line_endings : bool
        Whether a line up to the header ends with a carriage return alone, as on a Mac before 2001.
    encoding_note : str
        A sentence about an uncertain encoding, else empty.
    table_bytes : int
        Size of the uncompressed file without rows of empty cells and footnotes below the table; 0 if there are none.
    footer_note : str
        A sentence about the lines below the table, else empty.
    header_note : str
        A sentence about a header that was not found, else empty.
    header_as_written : list of str
        Names with their spaces, and without those that are added for columns without one.
    """

    encoding: str
    separator: str
    header: list[str]
    lines_before_header: int
    title_rows: int
    scan: TextScan
    quote_character: str = '"'
    skip_initial_space: bool = False
    escape_character: str = ""
    header_rows: int = 1
    header_lines: int = 1
    has_row_names: bool = False
    has_cr_line_endings: bool = False
    table_bytes: int = 0
    encoding_note: str = ""
    footer_note: str = ""
    header_note: str = ""
    header_as_written: list[str] = field(default_factory=list, compare=False)

    @property
    def needs_csv_module(self) -> bool:
        """Whether pyarrow's reader or `TextScan` lacks an option, so that Python's csv module must read the file."""
        has_usual_quotes = self.quote_character == '"' and not self.escape_character
        return self.skip_initial_space or not has_usual_quotes or len(self.separator) > 1

    @property
    def is_ascii_compatible(self) -> bool:
        """Whether line breaks, quotes and separators are the same bytes as in ASCII."""
        return encodings.is_ascii_compatible(self.encoding)

    @property
    def text_encoding(self) -> str:
        """Encoding for Python's text readers, which drops a byte order mark."""
        return "utf-8-sig" if self.encoding == "utf-8" else self.encoding

    @property
    def csv_format(self) -> CsvFormat:
        """How the fields are written."""
        return CsvFormat(self.separator, self.quote_character, self.escape_character, self.skip_initial_space)

    @property
    def csv_options(self) -> dict[str, Any]:
        """Keyword arguments for `csv.reader`, for a separator of one character."""
        return self.csv_format.csv_options

    @property
    def lines_before_rows(self) -> int:
        """Lines above the first row: those of the header, and those above it."""
        return self.lines_before_header + self.header_lines

    def __str__(self) -> str:
        quotes = "" if self.quote_character == '"' else ", in apostrophes"
        name = _SEPARATOR_NAMES.get(self.separator, repr(self.separator))
        return f"{encodings.display_name(self.encoding)}, separated by {name}{quotes}"


@contextmanager
def open_table(path: Path, dialect: Dialect, raw: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Open a text file for reading bytes, decompressed and without the lines below its table.

    Parameters
    ----------
    path : Path
    dialect : Dialect
    raw : binary file, optional
        The file at `path` if it is open already. The caller closes it.
    """
    with open_binary(path, raw) as file:
        if dialect.table_bytes:
            yield cast(BinaryIO, io.BufferedReader(FirstBytes(file, dialect.table_bytes)))
        else:
            yield file


def detect_dialect(path: Path, encoding: str = "", has_header: bool | None = None) -> Dialect:
    """Detect the dialect of a text file from all of its bytes.

    Parameters
    ----------
    path : Path
    encoding : str
        Python name of the encoding; detected if empty.
    has_header : bool, optional
        Whether the file has a header; detected if None.

    Raises
    ------
    DataError
        If the file is not text, has no header, or is not in the given encoding.
    """
    start = read_start(path, encoding)
    if encoding:
        return _detect_with_encoding(path, start, encoding, has_header)
    detected = encodings.encoding_from_bom(start) or "utf-8"
    if not encodings.is_ascii_compatible(detected):
        return _parse_start(path, start, detected, _empty_scan(), has_header)
    scan = _scan_file(path)
    if scan.non_utf8 is None:
        return _parse_start(path, start, detected, scan, has_header)
    detected = encodings.detect_encoding(scan.non_utf8, path)
    dialect = _parse_start(path, start, detected, scan, has_header)
    return replace(dialect, encoding_note=encodings.describe_guess(scan.non_utf8, detected))


def _detect_with_encoding(path: Path, start: bytes, encoding: str, has_header: bool | None) -> Dialect:
    """Detect the rest of the dialect if the user set the encoding."""
    resolved = encodings.resolve_encoding(encoding, start, path)
    has_non_ascii = False
    if resolved != "utf-8":
        with open_binary(path) as file:
            has_non_ascii = encodings.check_encoding(file, path, resolved)
    if not encodings.is_ascii_compatible(resolved):
        return _parse_start(path, start, resolved, _empty_scan(), has_header)
    scan = _scan_file(path)
    if resolved == "utf-8" and scan.non_utf8:
        raise encodings.invalid_byte_error(path, encoding, *scan.non_utf8.first_invalid)
    dialect = _parse_start(path, start, resolved, scan, has_header)
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


def detect_prefix(path: Path, has_header: bool | None = None) -> Dialect | None:
    """Detect the dialect from the first bytes only, assuming that the rest of the file is alike.

    The caller must check that assumption for every byte, as `ranges.read` does.

    Returns
    -------
    Dialect or None
        None if the first bytes are not UTF-8 or contain quoted line breaks.
    """
    start = read_start(path)
    if encodings.encoding_from_bom(start) not in ("", "utf-8"):
        return None
    scan = scan_text(io.BytesIO(start[: start.rfind(b"\n") + 1]), path)
    if scan.non_utf8 or scan.has_quoted_line_breaks or not scan.has_balanced_quotes:
        return None
    return _parse_start(path, start, "utf-8", scan, has_header)


def _parse_start(path: Path, start: bytes, encoding: str, scan: TextScan, has_header: bool | None) -> Dialect:
    """Return the dialect of a file whose encoding is known."""
    sample = start.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    text = sample.lstrip("\r\n")
    separator_line = _SEPARATOR_LINE.match(text)
    if separator_line:
        text = text[separator_line.end() :].lstrip("\r\n")
    if not text.strip():
        raise DataError(f"{path} has no header. Give the column names in its first line.")

    csv_format = separators.detect_format(text, separator_line[1] if separator_line else "")
    if csv_format.separator[0] in separators.SEPARATORS_ABOVE_COMMA:
        scan = replace(scan, may_have_leading_zeros=True)
    records = header_detection.parse_records(text, csv_format)
    rows = [record.cells for record in records]
    header = header_detection.detect_header(rows, has_header)
    below = rows[header.title_rows + header.rows :]
    has_row_names = header.rows > 0 and header_detection.has_row_names([header.names, *below])
    lines_above_text = len(sample[: len(sample) - len(text)].splitlines())
    lines_before_header, header_lines = _header_lines(records, header)
    lines_to_header = "".join(sample.splitlines(keepends=True)[: lines_above_text + lines_before_header + header_lines])
    names = _column_names(header, rows, has_row_names)
    is_ascii_compatible = encodings.is_ascii_compatible(encoding)
    footer = detect_footer(path, csv_format, len(names), encoding) if is_ascii_compatible else Footer()
    return Dialect(
        encoding=encoding,
        separator=csv_format.separator,
        header=names,
        lines_before_header=lines_above_text + lines_before_header,
        title_rows=header.title_rows,
        scan=scan,
        quote_character=csv_format.quote_character,
        skip_initial_space=csv_format.skip_initial_space,
        escape_character=csv_format.escape_character,
        header_rows=header.rows,
        header_lines=header_lines,
        has_row_names=has_row_names,
        table_bytes=footer.table_bytes,
        footer_note=footer.note,
        header_as_written=header.names,
        has_cr_line_endings=bool(_CR_LINE_ENDING.search(lines_to_header)),
        header_note=_describe_missing_header(rows[header.title_rows], has_header) if header.rows == 0 else "",
    )


def _header_lines(records: list[Record], header: header_detection.Header) -> tuple[int, int]:
    """Return the number of lines above the header, and of its own lines, empty ones within it included."""
    first = records[header.title_rows]
    if header.rows == 0:
        return first.line - 1, 0
    last = records[header.title_rows + header.rows - 1]
    return first.line - 1, last.last_line - first.line + 1


def _column_names(header: header_detection.Header, rows: list[list[str]], has_row_names: bool) -> list[str]:
    """Return the names of the columns; a column without one is named by its position."""
    if header.rows == 0:
        width = header_detection.usual_width(rows[header.title_rows :])
        return [f"column_{number}" for number in range(1, width + 1)]
    names = ["", *header.names] if has_row_names else header.names
    return [header_detection.clean_name(name) or f"Unnamed: {index}" for index, name in enumerate(names)]


def _describe_missing_header(first_row: list[str], has_header: bool | None) -> str:
    """Return a note on columns that are named by number because no header was detected."""
    if has_header is False:
        return ""
    cells = ", ".join(repr(cell[:_MAX_CELL_LENGTH]) for cell in first_row[:_MAX_LISTED_CELLS])
    more = ", ..." if len(first_row) > _MAX_LISTED_CELLS else ""
    return (
        f"The first row ({cells}{more}) looks like the rows below it, not like a header: the columns are named "
        "column_1, column_2 and so on. Set `header` to false to confirm this, or to true if these are the names."
    )
