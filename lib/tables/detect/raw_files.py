"""The bytes of a text file: decompressed, and checked not to be of another file type."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from lib.errors import DataError
from lib.tables.detect import encodings

COMPRESSED_SUFFIXES = (".gz", ".zip")
SAMPLE_BYTES = 65536
_WIDE_ENCODING_SAMPLE_BYTES = 4_000
_MIN_SAMPLE_LINES, _MAX_SAMPLE_BYTES = 3, 2**24
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
_SYSTEM_FILE = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$)")
# Raised by damaged or encrypted files, and by files that are not archives despite their suffix.
READ_ERRORS = (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


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


class FirstBytes(io.RawIOBase):
    r"""A binary file that ends after the first bytes of another one.

    >>> FirstBytes(io.BytesIO(b"a,b\n1,2\n(end)"), 8).read()
    b'a,b\n1,2\n'
    """

    def __init__(self, file: BinaryIO, size: int):
        self._file, self._bytes_left = file, size

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, and return the number of bytes read."""
        data = self._file.read(min(len(buffer), self._bytes_left))
        buffer[: len(data)] = data
        self._bytes_left -= len(data)
        return len(data)


@contextmanager
def _open_only_member(archive: zipfile.ZipFile, path: Path) -> Iterator[IO[bytes]]:
    """Open the only file in a zip archive; files that macOS and Windows add do not count."""
    names = [name for name in archive.namelist() if not name.endswith("/") and not _SYSTEM_FILE.search(name)]
    if len(names) != 1:
        raise DataError(
            f"{path} contains {len(names)} files; expected one. Unpack the archive, and give the path of the table."
        )
    with archive.open(names[0]) as file:
        if names[0].lower().endswith(".gz"):
            with gzip.open(file) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            yield file


def read_start(path: Path, encoding: str = "") -> bytes:
    """Return the first bytes of a file; more of them if they would not contain a few whole lines.

    Raises
    ------
    DataError
        If the file is of another type than text.
    """
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
        if wide_encoding := _detect_wide_encoding(start[:_WIDE_ENCODING_SAMPLE_BYTES]):
            raise DataError(
                f"{path} is not plain text: every character in line 1 contains a NUL byte, so the file is probably "
                f"{wide_encoding} without a byte order mark. Set `encoding` to {wide_encoding}."
            )
    return start


def _detect_wide_encoding(start: bytes) -> str:
    """Detect UTF-16 or UTF-32, with the byte order, by the positions of NUL bytes in ASCII text; else return ""."""
    is_mostly_nul = [start[offset::4].count(0) * 4 > len(start) / 2 for offset in range(4)]
    return next((name for pattern, name in _WIDE_ENCODINGS.items() if list(pattern) == is_mostly_nul), "")
