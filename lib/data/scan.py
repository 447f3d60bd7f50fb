"""One look at every byte of a text file: its encoding, and what makes reading it harder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lib.data import bits
from lib.data.encodings import LATIN, Strange
from lib.errors import DataError

# Some arrays of that size fit a core's cache.
_BLOCK_BYTES = 2**18
_STRANGE_BYTES = 2**16
_LAST_ASCII = 127
# Up to the comma there are blanks, quotes, the plus and rarer signs, but no decimal mark, hyphen, colon, digit or
# letter, behind which a zero begins no value.
_LAST_BEFORE_CODES = ord(",")
_CODE = re.compile(rb"0[0-9xX]")
# Letters and typographic signs in UTF-8, which in Latin-1 would be two or three signs that never meet in words.
_UTF8_SIGN = re.compile(rb"\xc3[\x80-\xbf]|\xc5[\x80-\xbf]|\xe2\x80[\x90-\xa6]|\xe2\x82\xac")
_LAST_SIGN = re.compile(rb"[\xc0-\xff][\x80-\xbf]*\Z")


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
    """Look at every byte, on one core, since each step is too short for two to take turns.

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
    look = Look()
    for block in _blocks(file):
        found = look(block)
        if found.nul >= 0:  # what stands before it would be taken for the whole value
            line += block.count(b"\n", 0, found.nul)
            raise DataError(
                f"{path} is no plain text: line {line} has a NUL byte. Mend that line, or save the file anew; "
                "where it is in UTF-16 without a byte order mark, say encoding: utf-16-le."
            )
        if not found.is_ascii and (stranger or found.not_utf8 >= 0 or utf8_sign is None):
            if utf8_sign is None and (sign := _UTF8_SIGN.search(block)):
                utf8_sign = line + block.count(b"\n", 0, sign.start()), sign[0].decode()
            if stranger is None and found.not_utf8 >= 0:
                stranger = line + block.count(b"\n", 0, found.not_utf8), block[found.not_utf8]
            if stranger:
                undefined = undefined or _undefined(block, line)
                if len(strange) < _STRANGE_BYTES:
                    lines = [one for one in block.splitlines(keepends=True) if not one.isascii()]
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


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Bytes up to the end of a line, or at least of a sign where a line is longer than a block."""
    rest = b""
    while read := file.read(_BLOCK_BYTES):
        block = rest + read + file.readline(_BLOCK_BYTES)
        end = (block.rfind(b"\n") + 1) or _after_sign(block[-4:], len(block))
        yield block[:end]
        rest = block[end:]
    if rest:
        yield rest


def _after_sign(last: bytes, end: int) -> int:
    """Where a block without the end of a line ends, not in the middle of a sign: before the last of several bytes."""
    sign = _LAST_SIGN.search(last)
    return (end - len(last) + sign.start() if sign else end) or end


class Look:
    """Looks at blocks, in memory that it keeps: to get some for each step takes longer than the step."""

    def __init__(self) -> None:
        self._truths, self._others, self._signs = (np.empty(0, dtype=kind) for kind in (bool, bool, np.uint8))

    def __call__(self, block: bytes) -> _Found:
        """What a block tells, of whole lines or signs."""
        signs = self._held(block)
        ends, quotes, has_breaks = self._places(signs, "\n"), 0, False
        lines = bits.count(ends)
        if b'"' in block:
            marks = self._places(signs, '"')
            ends |= self._places(signs, "\r") if b"\r" in block else ends
            quotes, has_breaks = bits.count(marks), bool((bits.between(marks) & ends).any())
        is_ascii, not_utf8 = block.isascii(), -1
        if not is_ascii:
            try:
                block.decode()
            except UnicodeDecodeError as error:
                not_utf8 = error.start
        return _Found(lines, quotes, has_breaks, self._may_have_codes(block), block.find(0), is_ascii, not_utf8)

    def may_have_codes(self, lines: memoryview) -> bool | None:
        """Whether some value of whole lines may be a code, as `Scan` has it; None where they are no UTF-8."""
        found, start = False, 0
        while start < len(lines):
            block = bytes(lines[start : start + _BLOCK_BYTES])
            if start + len(block) < len(lines):
                block = block[: block.rfind(b"\n") + 1] or bytes(lines[start:])
            # What is in its memory NumPy holds against a number in a quarter of the time that `isascii` takes.
            if block.find(0) >= 0 or (np.frombuffer(block, np.uint8).max() > _LAST_ASCII and not _is_utf8(block)):
                return None
            found = found or self._may_have_codes(block)
            start += len(block)
        return found

    def _held(self, block: bytes) -> np.ndarray:
        """Signs of a block that the memory kept here is long enough for."""
        signs = np.frombuffer(block, dtype=np.uint8)
        if len(signs) > len(self._signs):
            for kept in (self._truths, self._others, self._signs):
                kept.resize(len(signs) + _BLOCK_BYTES // 8, refcheck=False)
        return signs

    def _places(self, signs: np.ndarray, sign: str) -> np.ndarray:
        return bits.words(np.equal(signs, np.uint8(ord(sign)), out=self._truths[: len(signs)]))

    def _may_have_codes(self, block: bytes) -> bool:
        """Whether a zero with a digit behind it begins the block, or stands behind what is before a value."""
        if _CODE.match(block):
            return True
        signs = self._held(block)
        count = max(0, len(signs) - 2)
        zeros, others, digits = self._truths[:count], self._others[:count], self._signs[:count]
        np.equal(signs[1:-1], np.uint8(ord("0")), out=zeros)
        np.less_equal(signs[:-2], np.uint8(_LAST_BEFORE_CODES), out=others)
        for sign in b";|":
            if sign in block:
                others |= signs[:-2] == sign
        zeros &= others
        np.less(np.subtract(signs[2:], np.uint8(ord("0")), out=digits), np.uint8(10), out=others)
        for sign in b"xX":
            if sign in block:
                others |= signs[2:] == sign
        zeros &= others
        return bool(zeros.any())


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
