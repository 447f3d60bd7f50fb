"""How a text file is written: its compression, encoding and separator, found by looking at every byte of it once."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from lib.errors import DataError

_SEPARATORS = ",;\t|"
_SNIFFED_BYTES = 65536
_BLOCK_BYTES = 2**22
_TOLD = re.compile(rf'"?sep=([{_SEPARATORS}])"?(\r\n|\r|\n)', re.IGNORECASE)
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# All that may end a field; neither a digit nor a decimal mark, nor a colon or hyphen as in dates and times.
_CODE = r"[,;\t|\n\r\"' +]0[0-9xX]"
# What a file that is broken, encrypted or no archive at all raises.
UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes
    ----------
    encoding : str
        ``"utf-8"``, ``"utf-16"`` or ``"cp1252"``, Windows' Latin-1.
    separator : str
    header : list of str
        Names of the columns as they stand, less blanks at their ends.
    lines_before : int
        Lines before the header: empty ones, and the ``sep=;`` that Excel takes for itself.
    has_quotes : bool
        Whether a value may hold a line break.
    is_balanced : bool
        Whether every quote is closed.
    may_have_codes : bool
        Whether some value may start with a zero and a digit, as ``00501`` does, which is no number.
    """

    encoding: str
    separator: str
    header: list[str]
    lines_before: int
    has_quotes: bool
    is_balanced: bool
    may_have_codes: bool

    def __str__(self) -> str:
        encoding = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows' Latin-1 (cp1252)"}[self.encoding]
        return f"{encoding}, separated by {_NAMES[self.separator]}"


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
            members = [one for one in archive.namelist() if not one.endswith("/")]
            if len(members) != 1:
                raise DataError(f"{path} holds {len(members)} files; expected one. Unpack it and name the table.")
            with archive.open(members[0]) as file:
                yield file
        return
    if suffix == ".gz":
        with gzip.open(raw or path) as file:
            yield file
        return
    with nullcontext(raw) if raw else path.open("rb") as file:
        yield file


def look(path: Path) -> Dialect:
    """Dialect of a text file.

    Raises
    ------
    DataError
        Where it is no text, or has no header.
    """
    with opened(path) as file:
        start = file.read(_SNIFFED_BYTES)
    is_utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    quotes, may_have_codes, is_utf8 = _scanned(path, is_utf16)
    encoding = "utf-16" if is_utf16 else "utf-8" if is_utf8 else "cp1252"
    beginning = start.decode("utf-8-sig" if is_utf8 and not is_utf16 else encoding, errors="replace")
    rest = beginning.lstrip("\r\n")
    told = _TOLD.match(rest)
    rest = rest[told.end() :].lstrip("\r\n") if told else rest
    if not rest.strip():
        raise DataError(f"{path} has no header. Its first line names the columns.")
    separator = told[1] if told else _separator(rest)
    header = next(filter(None, csv.reader(io.StringIO(rest, newline=None), delimiter=separator)))
    return Dialect(
        encoding,
        separator,
        [name.strip() or f"Unnamed: {place}" for place, name in enumerate(header)],
        len(beginning[: len(beginning) - len(rest)].splitlines()),
        quotes > 0,
        quotes % 2 == 0,
        may_have_codes,
    )


def _scanned(path: Path, is_utf16: bool) -> tuple[int, bool, bool]:
    """Number of quotes, whether there may be codes, and whether the bytes are UTF-8."""
    if is_utf16:  # rare, and read with care in any case
        return 1, True, True
    quotes, may_have_codes, is_utf8, line, last = 0, False, True, 1, b"\n"
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened(path) as file:
        while block := file.read(_BLOCK_BYTES):
            if b"\0" in block:  # what stands before it would be taken for the whole value
                line += block.count(b"\n", 0, block.index(b"\0"))
                raise DataError(
                    f"{path} is no plain text: line {line} has a NUL byte. Mend that line, or save the file anew."
                )
            quotes += block.count(b'"') if b'"' in block else 0
            may_have_codes = may_have_codes or _has_codes(last + block)
            is_utf8 = is_utf8 and _decodes(decoder, block)
            if not is_utf8:
                _refuse_undefined(path, block, line)
            line += block.count(b"\n")
            last = block[-2:]
    if is_utf8 and decoder.getstate()[0]:  # it ends in the middle of a sign
        is_utf8 = False
    return quotes, may_have_codes, is_utf8


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes) -> bool:
    if block.isascii() and not decoder.getstate()[0]:
        return True
    try:
        decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_undefined(path: Path, block: bytes, line: int) -> None:
    try:
        block.decode("cp1252")
    except UnicodeDecodeError as error:
        line += block.count(b"\n", 0, error.start)
        raise DataError(
            f"{path} is neither UTF-8 nor Windows' Latin-1: line {line} has the byte 0x{block[error.start]:02x}. "
            "Save it as UTF-8."
        ) from error


def _has_codes(block: bytes) -> bool:
    """Whether a zero and a digit (or the x of a hexadecimal number) follow something that may end a field."""
    return pc.match_substring_regex(pa.scalar(block, pa.binary()), _CODE).as_py()


def _separator(beginning: str) -> str:
    """The separator that cuts the first lines into the same number of fields, the more the better."""
    lines = beginning.splitlines()[:50]
    if len(beginning) >= _SNIFFED_BYTES // 2 and len(lines) > 1:
        lines = lines[:-1]

    def fitness(separator: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        same = sum(width == widths[0] for width in widths) / len(widths)
        return (same if widths[0] > 1 else 0.0), widths[0]

    return max(_SEPARATORS, key=fitness)
