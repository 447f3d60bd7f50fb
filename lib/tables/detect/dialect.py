"""The dialect of a text file: its compression, encoding, separator, quoting and header position."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from lib.errors import format_count
from lib.tables.detect import encodings
from lib.tables.detect.byte_scanner import TextScan
from lib.tables.detect.raw_files import FirstBytes, open_binary
from lib.tables.detect.records import CsvFormat

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


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes
    ----------
    encoding : str
        One of `encodings.DISPLAY_NAMES`, or the encoding that the user set.
    separator : str
    header : list of str
        Column names without surrounding spaces; ``column_1``, ``column_2``, ... if the file has no header.
    lines_before_header : int
        Number of lines above the header, or above the first row if there is no header: empty lines, Excel's ``sep=;``
        and title rows.
    title_rows : int
        Number of rows above the header that contain titles or comments.
    scan : TextScan
    quote_character : str
    skip_initial_space : bool
        Whether a space after a separator is padding and not part of the value.
    escape_character : str
        A backslash if it escapes quotes within values, as MySQL writes them; empty if such quotes are doubled.
    header_rows : int
        Number of rows of the header: 0 if the file has none, several if names of column groups are above the names of
        columns.
    header_lines : int
        Number of lines of the header.
    has_row_names : bool
        Whether rows start with a row name that the header has no name for, as R writes tables.
    has_cr_line_endings : bool
        Whether a line up to the header ends with a carriage return alone, as on a Mac before 2001.
    encoding_note : str
        A sentence about an uncertain encoding, else empty.
    table_bytes : int
        Size of the uncompressed file in bytes, without empty rows and footnotes below the table; 0 if there are none.
    footer_note : str
        A sentence about the lines below the table, else empty.
    header_note : str
        A sentence about a header that was not detected, or that does not have one name for each field; else empty.
    header_as_written : list of str
        Column names with surrounding spaces, as in the file; a column without a name has an empty one.
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
    def names_as_written(self) -> list[str]:
        """Name of each column as in the file; empty for a column without one, and for all if there is no header."""
        if not self.header_as_written:
            return [""] * len(self.header)
        return ["", *self.header_as_written] if self.has_row_names else self.header_as_written

    @property
    def needs_csv_module(self) -> bool:
        """Whether the file has unusual quotes or separators, which only Python's csv module can read."""
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
        """Keyword arguments for `csv.reader`, which supports separators of one character only."""
        return self.csv_format.csv_options

    @property
    def lines_before_rows(self) -> int:
        """Number of lines above the first row, including the lines of the header."""
        return self.lines_before_header + self.header_lines

    @property
    def notes(self) -> list[str]:
        """Sentences about the header, and about lines that are not rows."""
        titles = f"Left out {format_count(self.title_rows, 'line')} above the header." if self.title_rows else ""
        joined = f"The column names are joined from {self.header_rows} rows." if self.header_rows > 1 else ""
        return list(filter(None, (titles, self.header_note, self.footer_note, joined)))

    def __str__(self) -> str:
        quotes = "" if self.quote_character == '"' else ", in apostrophes"
        return f"{encodings.display_name(self.encoding)}, separated by {name_separator(self.separator)}{quotes}"


def name_separator(separator: str) -> str:
    """Return the name of a separator in the plural.

    >>> name_separator(";"), name_separator("||")
    ('semicolons', "'||'")
    """
    return _SEPARATOR_NAMES.get(separator, repr(separator))


@contextmanager
def open_table(path: Path, dialect: Dialect, raw: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Open a text file for reading bytes, decompressed and without the lines below the table.

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


@contextmanager
def open_ascii_compatible(path: Path, dialect: Dialect) -> Iterator[BinaryIO]:
    """Open a text file as `open_table` does; in UTF-8 if its encoding writes line breaks differently from ASCII."""
    with open_table(path, dialect) as file:
        yield file if dialect.is_ascii_compatible else encodings.recode_as_utf8(file, dialect.encoding)
