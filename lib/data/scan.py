"""One look at every byte of a text file: its encoding, and what makes reading it harder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib import cores
from lib.data.encodings import LATIN, Strange
from lib.errors import DataError

_BLOCK_BYTES = 2**20
_STRANGE_BYTES = 2**16
# All that may end a field; neither a digit nor a decimal mark, nor a colon or hyphen as in dates and times.
_CODE = r"[,;\t|\n\r\"' +]0[0-9xX]"
_ODD_LINE = r'(?m)^(?:[^"\n\r]*"[^"\n\r]*")*[^"\n\r]*"[^"\n\r]*$'
# Letters and typographic signs in UTF-8, which in Latin-1 would be two or three signs that never meet in words.
_UTF8_SIGN = re.compile(rb"\xc3[\x80-\xbf]|\xc5[\x80-\xbf]|\xe2\x80[\x90-\xa6]|\xe2\x82\xac")


@dataclass(frozen=True)
class Scan:
    """What all bytes of a text file tell.

    Attributes
    ----------
    strange : Strange or None
        What it holds beyond ASCII, where that is not UTF-8.
    is_balanced : bool
        Whether every quote is closed.
    has_breaks : bool
        Whether a quoted value may hold a line break.
    may_have_codes : bool
        Whether some value may start with a zero and a digit, as ``00501`` does, which is no number.
    """

    strange: Strange | None
    is_balanced: bool
    has_breaks: bool
    may_have_codes: bool


@dataclass(frozen=True)
class _Found:
    """What one block tells; places are those of its bytes, -1 where there is none."""

    lines: int
    quotes: int
    has_breaks: bool
    may_have_codes: bool
    nul: int
    is_ascii: bool
    not_utf8: int


def scan(file: BinaryIO, path: Path) -> Scan:
    """Look at every byte, on all cores.

    Raises
    ------
    DataError
        Where a byte is none of a text.
    """
    quotes, line, has_breaks, may_have_codes = 0, 1, False, False
    utf8_sign: tuple[int, str] | None = None
    stranger: tuple[int, int] | None = None
    undefined: tuple[int, int] | None = None
    strange, of_utf8, of_others = b"", 0, 0  # lines beyond ASCII
    for block, found in cores.ahead(_look, _blocks(file)):
        if found.nul >= 0:  # what stands before it would be taken for the whole value
            line += block.to_pybytes().count(b"\n", 0, found.nul)
            raise DataError(
                f"{path} is no plain text: line {line} has a NUL byte. Mend that line, or save the file anew."
            )
        if not found.is_ascii and (stranger or found.not_utf8 >= 0 or utf8_sign is None):
            text = block.to_pybytes()
            if utf8_sign is None and (sign := _UTF8_SIGN.search(text)):
                utf8_sign = line + text.count(b"\n", 0, sign.start()), sign[0].decode()
            if stranger is None and found.not_utf8 >= 0:
                stranger = line + text.count(b"\n", 0, found.not_utf8), text[found.not_utf8]
            if stranger:
                undefined = undefined or _undefined(text, line)
                if len(strange) < _STRANGE_BYTES:
                    lines = [one for one in text.splitlines(keepends=True) if not one.isascii()]
                    others = [one for one in lines if not _is_utf8(one)]
                    strange += b"".join(others)
                    of_utf8, of_others = of_utf8 + len(lines) - len(others), of_others + len(others)
            else:
                of_utf8 += found.lines
        quotes, line = quotes + found.quotes, line + found.lines
        has_breaks, may_have_codes = has_breaks or found.has_breaks, may_have_codes or found.may_have_codes
    beyond = None
    if stranger:
        share = of_utf8 / (of_utf8 + of_others)
        beyond = Strange(strange[:_STRANGE_BYTES], share, stranger, utf8_sign, undefined)
    return Scan(beyond, quotes % 2 == 0, has_breaks, may_have_codes)


def _blocks(file: BinaryIO) -> Iterator[pa.Buffer]:
    """Bytes up to the end of a line, or at least of a sign where a line is longer than a block."""
    rest = b""
    while read := file.read(_BLOCK_BYTES):
        block = rest + read + file.readline(_BLOCK_BYTES)
        end = (block.rfind(b"\n") + 1) or _after_sign(block[-4:], len(block))
        yield pa.py_buffer(block).slice(0, end)
        rest = block[end:]
    if rest:
        yield pa.py_buffer(rest)


def _after_sign(last: bytes, end: int) -> int:
    """Where a block without the end of a line ends, not in the middle of a sign: before the bytes beyond ASCII."""
    return end - len(last) + len(last.rstrip(bytes(range(0x80, 0x100)))) if last[-1] >= 0x80 and last[0] < 0x80 else end


def _look(block: pa.Buffer) -> _Found:
    signs = np.frombuffer(block, dtype=np.uint8)
    offsets = pa.py_buffer(np.array([0, block.size], dtype=np.int32))
    text = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, block])
    quotes, has_breaks, may_have_codes = 0, False, False
    if _matches(text, f"{_CODE}|^0[0-9xX]|{_ODD_LINE}"):
        may_have_codes = _matches(text, f"{_CODE}|^0[0-9xX]")
        places = np.flatnonzero(signs == ord('"'))
        ends = np.flatnonzero((signs == ord("\n")) | (signs == ord("\r")))
        quotes, has_breaks = len(places), bool((np.searchsorted(places, ends) & 1).any())
    is_ascii, not_utf8 = bool(signs.max() < 0x80), -1
    if not is_ascii:
        try:
            block.to_pybytes().decode()
        except UnicodeDecodeError as error:
            not_utf8 = error.start
    nul = -1 if signs.min() else int(np.argmin(signs))
    return _Found(
        int(np.count_nonzero(signs == ord("\n"))), quotes, has_breaks, may_have_codes, nul, is_ascii, not_utf8
    )


def _matches(text: pa.Array, pattern: str) -> bool:
    return pc.match_substring_regex(text, pattern)[0].as_py()


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _undefined(block: bytes, line: int) -> tuple[int, int] | None:
    try:
        block.decode(LATIN)
    except UnicodeDecodeError as error:
        return line + block.count(b"\n", 0, error.start), block[error.start]
    return None
