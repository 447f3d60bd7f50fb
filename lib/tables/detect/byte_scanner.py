"""One pass over every byte of a text file: its encoding, and properties that decide how it can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lib.errors import DataError
from lib.tables.detect.encodings import WINDOWS_1252, NonUtf8Evidence

_BLOCK_BYTES = 2**18  # a few arrays of this size fit into a core's cache
_MAX_SAMPLE_BYTES = 2**16
_MAX_ASCII_BYTE = 127
# ASCII characters up to the comma are spaces, quotes, the plus sign and rarer ones. A zero that follows one of them may
# start a value; a zero that follows a point, hyphen, colon, digit or letter cannot.
_MAX_BYTE_BEFORE_VALUE = ord(",")
_LEADING_ZERO = re.compile(rb"0[0-9xX]")
# Letters and typographic characters in UTF-8. Read as Windows-1252, these bytes are sequences that no word contains.
_UTF8_CHARACTER = re.compile(rb"\xc3[\x80-\xbf]|\xc5[\x80-\xbf]|\xe2\x80[\x90-\xa6]|\xe2\x82\xac")
_LAST_MULTIBYTE_CHARACTER = re.compile(rb"[\xc0-\xff][\x80-\xbf]*\Z")


@dataclass(frozen=True)
class TextScan:
    """Properties of a whole text file.

    Attributes
    ----------
    non_utf8 : NonUtf8Evidence or None
        Evidence about the encoding if the file is not UTF-8.
    has_balanced_quotes : bool
        Whether every quote is closed.
    has_quoted_line_breaks : bool
        Whether a quoted value may contain a line break.
    may_have_leading_zeros : bool
        Whether a value may start with a zero and a digit, such as the code ``00501``, which is not a number.
    """

    non_utf8: NonUtf8Evidence | None
    has_balanced_quotes: bool
    has_quoted_line_breaks: bool
    may_have_leading_zeros: bool


@dataclass(frozen=True)
class _BlockScan:
    """Properties of one block. Positions are byte offsets in the block; -1 means that there is no such byte."""

    line_count: int
    quote_count: int
    has_quoted_line_breaks: bool
    may_have_leading_zeros: bool
    is_ascii: bool
    nul_position: int
    invalid_utf8_position: int


def scan_text(file: BinaryIO, path: Path) -> TextScan:
    """Scan every byte of a text file.

    Parameters
    ----------
    file : binary file
        Uncompressed content.
    path : Path
        For messages.

    Raises
    ------
    DataError
        If the file contains a NUL byte. The message names the line.
    """
    scanner, evidence = ByteScanner(), _EvidenceCollector()
    line, quote_count, has_quoted_line_breaks, may_have_leading_zeros = 1, 0, False, False
    for block in _read_blocks(file):
        block_scan = scanner.scan(block)
        if block_scan.nul_position >= 0:  # most parsers would silently end the value there
            line += block.count(b"\n", 0, block_scan.nul_position)
            raise DataError(
                f"{path} is not plain text: line {line} contains a NUL byte. Fix that line, or export the file again. "
                "If the file is UTF-16 without a byte order mark, set `encoding` to utf-16-le."
            )
        if not block_scan.is_ascii:
            evidence.add(block, line, block_scan)
        line += block_scan.line_count
        quote_count += block_scan.quote_count
        has_quoted_line_breaks = has_quoted_line_breaks or block_scan.has_quoted_line_breaks
        may_have_leading_zeros = may_have_leading_zeros or block_scan.may_have_leading_zeros
    return TextScan(evidence.summarize(), quote_count % 2 == 0, has_quoted_line_breaks, may_have_leading_zeros)


def _read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines. A line longer than a block is split between two characters."""
    incomplete_line = b""
    while data := file.read(_BLOCK_BYTES):
        block = incomplete_line + data + file.readline(_BLOCK_BYTES)
        end = (block.rfind(b"\n") + 1) or _find_character_boundary(block)
        yield block[:end]
        incomplete_line = block[end:]
    if incomplete_line:
        yield incomplete_line


def _find_character_boundary(block: bytes) -> int:
    """Return the offset at which a block can be cut without splitting a character of UTF-8."""
    tail = block[-4:]  # a character has at most four bytes
    character = _LAST_MULTIBYTE_CHARACTER.search(tail)
    start = len(block) - len(tail) + character.start() if character else len(block)
    return start or len(block)


class _EvidenceCollector:
    """Evidence about the encoding, collected from the blocks that are not ASCII."""

    def __init__(self) -> None:
        self._sample, self._utf8_line_count, self._non_utf8_line_count = b"", 0, 0
        self._first_invalid: tuple[int, int] | None = None
        self._utf8_character: tuple[int, str] | None = None
        self._undefined_in_windows_1252: tuple[int, int] | None = None

    def add(self, block: bytes, first_line: int, block_scan: _BlockScan) -> None:
        """Add the evidence of a block; `first_line` is the number of its first line in the file."""
        is_valid_so_far = self._first_invalid is None and block_scan.invalid_utf8_position < 0
        if is_valid_so_far and self._utf8_character is not None:
            return  # the block cannot add evidence
        if self._utf8_character is None and (character := _UTF8_CHARACTER.search(block)):
            line = first_line + block.count(b"\n", 0, character.start())
            self._utf8_character = line, character[0].decode()
        if is_valid_so_far:
            self._utf8_line_count += block_scan.line_count
            return
        if self._first_invalid is None:
            position = block_scan.invalid_utf8_position
            self._first_invalid = first_line + block.count(b"\n", 0, position), block[position]
        if self._undefined_in_windows_1252 is None:
            self._undefined_in_windows_1252 = _find_undefined_in_windows_1252(block, first_line)
        if len(self._sample) < _MAX_SAMPLE_BYTES:
            lines = [line for line in block.splitlines(keepends=True) if not line.isascii()]
            invalid_lines = [line for line in lines if not _is_utf8(line)]
            self._sample += b"".join(invalid_lines)
            self._utf8_line_count += len(lines) - len(invalid_lines)
            self._non_utf8_line_count += len(invalid_lines)

    def summarize(self) -> NonUtf8Evidence | None:
        """Return the evidence, or None if every block was valid UTF-8."""
        if self._first_invalid is None:
            return None
        return NonUtf8Evidence(
            sample=self._sample[:_MAX_SAMPLE_BYTES],
            utf8_share=self._utf8_line_count / (self._utf8_line_count + self._non_utf8_line_count),
            first_invalid=self._first_invalid,
            utf8_character=self._utf8_character,
            undefined_in_windows_1252=self._undefined_in_windows_1252,
        )


class ByteScanner:
    """A scanner of byte blocks that reuses its buffers. Not safe to share between threads without a lock."""

    def __init__(self) -> None:
        self._match_mask, self._scratch_mask = np.empty(0, dtype=bool), np.empty(0, dtype=bool)
        self._differences = np.empty(0, dtype=np.uint8)

    def scan(self, block: bytes) -> _BlockScan:
        """Return the properties of a block of whole lines or characters."""
        is_ascii, invalid_utf8_position = block.isascii(), -1
        if not is_ascii:
            try:
                block.decode()
            except UnicodeDecodeError as error:
                invalid_utf8_position = error.start
        return _BlockScan(
            line_count=block.count(b"\n"),
            quote_count=block.count(b'"'),
            has_quoted_line_breaks=_has_quoted_line_breaks(block),
            may_have_leading_zeros=self._may_have_leading_zeros(block),
            is_ascii=is_ascii,
            nul_position=block.find(0),
            invalid_utf8_position=invalid_utf8_position,
        )

    def may_have_leading_zeros(self, text: memoryview) -> bool | None:
        """Return whether a value may start with a zero and a digit, such as ``00501``.

        Parameters
        ----------
        text : memoryview
            Whole lines.

        Returns
        -------
        bool or None
            None if the text is not UTF-8 or contains a NUL byte.
        """
        may_have_zeros, start = False, 0
        while start < len(text):
            block = bytes(text[start : start + _BLOCK_BYTES])
            if start + len(block) < len(text):
                block = block[: block.rfind(b"\n") + 1] or bytes(text[start:])
            is_ascii = np.frombuffer(block, np.uint8).max() <= _MAX_ASCII_BYTE
            if b"\0" in block or not (is_ascii or _is_utf8(block)):
                return None
            may_have_zeros = may_have_zeros or self._may_have_leading_zeros(block)
            start += len(block)
        return may_have_zeros

    def _to_array(self, block: bytes) -> np.ndarray:
        """Return the bytes of a block as an array, and enlarge the buffers to at least the size of the block."""
        data = np.frombuffer(block, dtype=np.uint8)
        if len(data) > len(self._match_mask):
            for buffer in (self._match_mask, self._scratch_mask, self._differences):
                buffer.resize(len(data) + _BLOCK_BYTES // 8, refcheck=False)
        return data

    def _may_have_leading_zeros(self, block: bytes) -> bool:
        """Return whether a value may start with a zero and a digit, or with ``0x``.

        A value may start at the start of the block, and after a character that can precede a value.
        """
        if _LEADING_ZERO.match(block):
            return True
        data = self._to_array(block)
        count = max(0, len(data) - 2)
        before, current, after = data[:-2], data[1:-1], data[2:]
        matches, scratch, differences = self._match_mask[:count], self._scratch_mask[:count], self._differences[:count]
        np.equal(current, np.uint8(ord("0")), out=matches)
        np.less_equal(before, np.uint8(_MAX_BYTE_BEFORE_VALUE), out=scratch)
        for separator in b";|":
            if separator in block:
                scratch |= before == separator
        matches &= scratch
        # Unsigned subtraction wraps around, so one comparison tests for "0" to "9".
        np.less(np.subtract(after, np.uint8(ord("0")), out=differences), np.uint8(10), out=scratch)
        for letter in b"xX":
            if letter in block:
                scratch |= after == letter
        matches &= scratch
        return bool(matches.any())


def _has_quoted_line_breaks(block: bytes) -> bool:
    """Return whether a line break follows an odd number of quotes."""
    if b'"' not in block:
        return False
    data = np.frombuffer(block, dtype=np.uint8)
    is_line_end = data == np.uint8(ord("\n"))
    if b"\r" in block:
        is_line_end |= data == np.uint8(ord("\r"))
    quotes_before = np.searchsorted(np.flatnonzero(data == np.uint8(ord('"'))), np.flatnonzero(is_line_end))
    return bool((quotes_before % 2).any())


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _find_undefined_in_windows_1252(block: bytes, first_line: int) -> tuple[int, int] | None:
    """Return the line number and value of the first byte that Windows-1252 does not define, if there is one."""
    try:
        block.decode(WINDOWS_1252)
    except UnicodeDecodeError as error:
        return first_line + block.count(b"\n", 0, error.start), block[error.start]
    return None
