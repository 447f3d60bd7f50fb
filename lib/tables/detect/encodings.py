"""Detection of a text file's encoding if it is not UTF-8.

Every byte but five is a character of Windows Latin-1 (cp1252), so decoding alone cannot tell it from Cyrillic or
Japanese. charset-normalizer decodes a sample in each candidate encoding and rates the result by ``chaos`` (improbable
neighbouring characters; 0 is best) and ``coherence`` (letter frequencies of a known language; 1 is best).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lib.errors import DataError

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

WINDOWS_LATIN = "cp1252"
# Central European and Turkish code pages are missing on purpose: they differ from Latin-1 in a few letters only, which
# no statistics can tell apart reliably.
DISPLAY_NAMES = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    WINDOWS_LATIN: "Windows Latin-1 (cp1252)",
    "cp1251": "Windows Cyrillic (cp1251)",
    "koi8_r": "KOI8-R",
    "cp1253": "Windows Greek (cp1253)",
    "cp932": "Shift-JIS (cp932)",
    "euc_jp": "EUC-JP",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "Korean (cp949)",
}
# UTF-32 comes first: its little-endian byte order mark starts with that of UTF-16.
_BYTE_ORDER_MARKS = {
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-8": (codecs.BOM_UTF8,),
}
# Stateful encodings: the byte of a comma or a quote may be part of another character.
_STATEFUL_PREFIXES = ("iso2022", "hz", "utf-7")
_BLOCK_BYTES = 2**20
_NON_ASCII_WORD = re.compile(r"[^\s,;|\"]*[^\x00-\x7f][^\s,;|\"]*")
_MAX_EXAMPLE_LENGTH = 40
# The margin in chaos and coherence by which one encoding must beat another.
_CLEAR_MARGIN = 0.1
# Text in other encodings contains a few byte pairs that happen to be valid UTF-8.
_MAX_ACCIDENTAL_UTF8_SHARE = 0.2
_MIN_NON_ASCII_CHARACTERS, _MIN_LETTER_SHARE = 4, 0.7


@dataclass(frozen=True)
class NonUtf8Evidence:
    """Evidence about the encoding of a file that is not UTF-8, collected from all of its bytes.

    Attributes
    ----------
    sample : bytes
        Lines that are not UTF-8, from the start of the file.
    utf8_share : float
        Share of UTF-8 lines among the examined lines that are not ASCII.
    first_invalid : tuple of (int, int)
        Line number and value of the first byte that is not UTF-8.
    utf8_character : tuple of (int, str) or None
        Line number and character of the first byte sequence that is almost certainly UTF-8.
    undefined_in_latin : tuple of (int, int) or None
        Line number and value of the first byte that Windows Latin-1 does not define.
    """

    sample: bytes
    utf8_share: float
    first_invalid: tuple[int, int]
    utf8_character: tuple[int, str] | None
    undefined_in_latin: tuple[int, int] | None


def detect_encoding(evidence: NonUtf8Evidence, path: Path) -> str:
    """Return the Python name of the encoding of a file that is not UTF-8.

    Raises
    ------
    DataError
        If the evidence is ambiguous or the file mixes two encodings. The message names a line.
    """
    candidates = _rank_candidates(evidence.sample)
    line, byte = evidence.first_invalid
    candidate_names = " or ".join(DISPLAY_NAMES[name] for name in candidates)
    if candidates and evidence.utf8_share > _MAX_ACCIDENTAL_UTF8_SHARE:
        raise DataError(
            f"{path} mixes two encodings: some lines are UTF-8, but others, first line {line}, may be "
            f"{candidate_names}. Fix those lines, or export the file again from one source."
        )
    if len(candidates) > 1:
        raise DataError(
            f"{path} is not UTF-8 but may be {candidate_names}, first in line {line}. Save it as UTF-8, or set "
            f"`encoding` to {candidates[0]} or another of Python's encodings (cp1250, cp1256)."
        )
    if candidates:
        return candidates[0]
    if evidence.utf8_character:
        utf8_line, character = evidence.utf8_character
        in_latin = bytes([byte]).decode(WINDOWS_LATIN, "replace")
        raise DataError(
            f"{path} mixes two encodings: line {utf8_line} contains {character!r} in UTF-8, line {line} contains the "
            f"byte 0x{byte:02x}, which is not valid UTF-8 ({in_latin!r} in Windows Latin-1). Fix those lines, or "
            "export the file again from one source."
        )
    if evidence.undefined_in_latin:
        line, byte = evidence.undefined_in_latin
        raise DataError(
            f"{path} is neither UTF-8 nor Windows Latin-1: line {line} contains the byte 0x{byte:02x}. Save it as "
            "UTF-8, or set `encoding`, e.g. to cp1250 or mac_roman."
        )
    return WINDOWS_LATIN


def display_name(encoding: str) -> str:
    """Return the name of an encoding as users know it.

    >>> display_name("koi8_r")
    'KOI8-R'
    """
    return DISPLAY_NAMES.get(encoding, encoding)


def encoding_from_bom(start: bytes) -> str:
    r"""Return the encoding of the byte order mark at the start of a file, or "" if there is no mark.

    >>> encoding_from_bom(b"\xef\xbb\xbfname,price")
    'utf-8'
    """
    return next((name for name, marks in _BYTE_ORDER_MARKS.items() if start.startswith(marks)), "")


def without_bom(encoding: str, start: bytes) -> str:
    r"""Return the encoding of the text after the byte order mark, with its byte order.

    >>> without_bom("utf-16", codecs.BOM_UTF16_BE + b"\0a"), without_bom("cp1252", b"a")
    ('utf-16-be', 'cp1252')
    """
    if encoding not in ("utf-16", "utf-32"):
        return encoding
    little_endian, _ = _BYTE_ORDER_MARKS[encoding]
    return f"{encoding}-le" if start.startswith(little_endian) else f"{encoding}-be"


def resolve_encoding(encoding: str, start: bytes, path: Path) -> str:
    """Return the Python name of the encoding that the user set, checked against the file's byte order mark.

    A byte order mark is more specific than the parameter: ``utf-16-le`` with a mark is read as ``utf-16``.

    Raises
    ------
    DataError
        If the byte order mark belongs to another encoding.
    """
    name, marked = codecs.lookup(encoding).name, encoding_from_bom(start)
    if marked and not name.startswith(marked):
        raise DataError(
            f"{path} starts with the byte order mark of {display_name(marked)}, but `encoding` is "
            f"{encoding}. Leave `encoding` empty."
        )
    return marked or ("utf-8" if name == "utf-8-sig" else name)


def is_ascii_compatible(encoding: str) -> bool:
    """Return whether line breaks, quotes and separators are the same bytes as in ASCII, and nothing else is.

    >>> is_ascii_compatible("cp1252"), is_ascii_compatible("utf-16")
    (True, False)
    """
    if is_stateful(encoding):
        return False
    ascii_bytes = bytes(range(0x09, 0x7F))
    return ascii_bytes.decode(encoding, "replace").encode("ascii", "replace") == ascii_bytes


def is_stateful(encoding: str) -> bool:
    """Return whether the meaning of a byte depends on those before it, so that no part can be decoded alone.

    >>> is_stateful("utf-7"), is_stateful("utf-16-le")
    (True, False)
    """
    return encoding.startswith(_STATEFUL_PREFIXES)


def check_encoding(file: BinaryIO, path: Path, encoding: str) -> bool:
    """Check that a whole file is valid in an encoding, and return whether it contains non-ASCII bytes.

    Raises
    ------
    DataError
        If a byte is not valid. The message names its line.
    """
    decoder, line, is_ascii = codecs.getincrementaldecoder(encoding)(), 1, True
    while True:
        block = file.read(_BLOCK_BYTES)
        is_ascii = is_ascii and block.isascii()
        try:
            line += decoder.decode(block, final=not block).count("\n")
        except UnicodeDecodeError as error:
            line += error.object[: error.start].decode(encoding, "ignore").count("\n")
            raise invalid_byte_error(path, encoding, line, error.object[error.start]) from error
        if not block:
            return not is_ascii


def invalid_byte_error(path: Path, encoding: str, line: int, byte: int) -> DataError:
    """Return the error for a byte that the encoding set by the user does not define."""
    return DataError(
        f"{path} is not in {encoding}: line {line} contains the byte 0x{byte:02x}, which is not valid in it. Set "
        "`encoding` to another one, or leave it empty."
    )


def describe_guess(evidence: NonUtf8Evidence, encoding: str) -> str:
    """Return a sentence that shows how a word of the file reads in the detected encoding."""
    word = _NON_ASCII_WORD.search(evidence.sample.decode(encoding, "replace"))
    example = word[0][:_MAX_EXAMPLE_LENGTH] if word else ""
    return (
        f"The encoding is a guess. With it, line {evidence.first_invalid[0]:,} contains {example!r}. If that looks "
        "wrong, set `encoding`."
    )


def _rank_candidates(sample: bytes) -> list[str]:
    """Return the encodings that fit a sample clearly better than Windows Latin-1, the best first."""
    from charset_normalizer import from_bytes  # slow to import, and most files are UTF-8

    candidates = [name for name in DISPLAY_NAMES if not name.startswith("utf")]
    matches = from_bytes(sample, cp_isolation=candidates, preemptive_behaviour=False)
    plausible = [match for match in matches if _is_latin(match) or _is_mostly_letters(str(match))]
    if not plausible:
        return []
    best = plausible[0]
    latin = next(filter(_is_latin, plausible), None)
    if latin and latin.chaos <= best.chaos + _CLEAR_MARGIN and latin.coherence >= best.coherence - _CLEAR_MARGIN:
        return []
    # Any bytes decode to half-width katakana in Shift-JIS, which are rare today, so other encodings stay candidates.
    is_kana = all("\uff61" <= character <= "\uff9f" for character in str(best) if not character.isascii())
    max_chaos = best.chaos + (2 * _CLEAR_MARGIN if is_kana else _CLEAR_MARGIN / 4)
    return [
        match.encoding
        for match in plausible
        if match is best or (match.chaos < max_chaos and match.coherence > best.coherence - _CLEAR_MARGIN)
    ]


def _is_latin(match: CharsetMatch) -> bool:
    return WINDOWS_LATIN in (match.encoding, *match.could_be_from_charset)


def _is_mostly_letters(text: str) -> bool:
    """Return whether the non-ASCII characters are several and mostly letters, not e.g. box-drawing lines."""
    characters = [character for character in text if not character.isascii()]
    letters = sum(map(str.isalpha, characters))
    return len(characters) >= _MIN_NON_ASCII_CHARACTERS and letters >= _MIN_LETTER_SHARE * len(characters)
