"""Detection of a text file's encoding if it is not UTF-8.

All but five bytes are characters of Windows-1252, so decoding alone cannot tell this encoding from Cyrillic or
Japanese ones. charset-normalizer decodes a sample in each candidate encoding, and rates the result by ``chaos``
(improbable neighbouring characters; 0 is best) and ``coherence`` (letter frequencies of a known language; 1 is best).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from lib.errors import DataError

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

WINDOWS_1252 = "cp1252"
# Central European and Turkish code pages are missing on purpose: they differ from Windows-1252 in a few letters only,
# so statistics cannot tell them apart reliably.
DISPLAY_NAMES = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    WINDOWS_1252: "Windows-1252",
    "cp1251": "Windows Cyrillic (cp1251)",
    "koi8_r": "KOI8-R",
    "cp1253": "Windows Greek (cp1253)",
    "cp932": "Shift-JIS (cp932)",
    "euc_jp": "EUC-JP",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "Korean (cp949)",
}
# UTF-32 comes first: the little-endian byte order mark of UTF-32 starts with the mark of UTF-16.
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
    undefined_in_windows_1252 : tuple of (int, int) or None
        Line number and value of the first byte that Windows-1252 does not define.
    """

    sample: bytes
    utf8_share: float
    first_invalid: tuple[int, int]
    utf8_character: tuple[int, str] | None
    undefined_in_windows_1252: tuple[int, int] | None


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
            f"{path} is not UTF-8: line {line} has the first invalid byte. It may be {candidate_names}. Save it as "
            f"UTF-8, or set `encoding` to {candidates[0]} or another of Python's encodings (cp1250, cp1256)."
        )
    if candidates:
        return candidates[0]
    if evidence.utf8_character:
        utf8_line, character = evidence.utf8_character
        in_windows_1252 = bytes([byte]).decode(WINDOWS_1252, "replace")
        raise DataError(
            f"{path} mixes two encodings: line {utf8_line} contains {character!r} in UTF-8, line {line} contains the "
            f"byte 0x{byte:02x}, which is not valid UTF-8 ({in_windows_1252!r} in Windows-1252). Fix those lines, or "
            "export the file again from one source."
        )
    if evidence.undefined_in_windows_1252:
        line, byte = evidence.undefined_in_windows_1252
        raise DataError(
            f"{path} is neither UTF-8 nor Windows-1252: line {line} contains the byte 0x{byte:02x}. Save it as "
            "UTF-8, or set `encoding`, e.g. to cp1250 or mac_roman."
        )
    return WINDOWS_1252


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


def encoding_without_bom(encoding: str, start: bytes) -> str:
    r"""Return the encoding of the text after a byte order mark, with the byte order in its name.

    >>> encoding_without_bom("utf-16", codecs.BOM_UTF16_BE + b"\0a"), encoding_without_bom("cp1252", b"a")
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
    name, bom_encoding = codecs.lookup(encoding).name, encoding_from_bom(start)
    if bom_encoding and not name.startswith(bom_encoding):
        raise DataError(
            f"{path} starts with the byte order mark of {display_name(bom_encoding)}, but `encoding` is "
            f"{encoding}. Leave `encoding` empty."
        )
    return bom_encoding or ("utf-8" if name == "utf-8-sig" else name)


def recode_as_utf8(file: BinaryIO, encoding: str) -> BinaryIO:
    """Return a binary file with the text of another one in UTF-8. Bytes that are not valid become question marks."""
    return cast(BinaryIO, codecs.EncodedFile(file, "utf-8", encoding, errors="replace"))


def is_ascii_compatible(encoding: str) -> bool:
    """Return whether an encoding uses the bytes of ASCII for ASCII characters, and for no others.

    Then line breaks, quotes and separators can be found in the bytes.

    >>> is_ascii_compatible("cp1252"), is_ascii_compatible("utf-16")
    (True, False)
    """
    if is_stateful(encoding):
        return False
    ascii_bytes = bytes(range(0x09, 0x7F))
    return ascii_bytes.decode(encoding, "replace").encode("ascii", "replace") == ascii_bytes


def is_stateful(encoding: str) -> bool:
    """Return whether the meaning of a byte depends on earlier bytes, so that no part of a text can be decoded alone.

    >>> is_stateful("utf-7"), is_stateful("utf-16-le")
    (True, False)
    """
    return encoding.startswith(_STATEFUL_PREFIXES)


def check_encoding(file: BinaryIO, path: Path, encoding: str) -> bool:
    """Check that a whole file is valid in an encoding, and return whether it contains non-ASCII bytes.

    Raises
    ------
    DataError
        If a byte is not valid. The message names the line.
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
        f"{path} is not in {encoding}: line {line} contains the byte 0x{byte:02x}, which is not valid in that "
        "encoding. Set `encoding` to another encoding, or leave it empty."
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
    """Return the encodings that fit a sample clearly better than Windows-1252, the best first."""
    from charset_normalizer import from_bytes  # slow to import, and most files are UTF-8

    candidates = [name for name in DISPLAY_NAMES if not name.startswith("utf")]
    matches = from_bytes(sample, cp_isolation=candidates, preemptive_behaviour=False)
    plausible = [match for match in matches if _is_windows_1252(match) or _is_mostly_letters(str(match))]
    if not plausible:
        return []
    best = plausible[0]
    western = next(filter(_is_windows_1252, plausible), None)
    if western and western.chaos <= best.chaos + _CLEAR_MARGIN and western.coherence >= best.coherence - _CLEAR_MARGIN:
        return []
    # In Shift-JIS, nearly any bytes decode to half-width katakana, which are rare today, so keep more other encodings.
    is_kana = all("\uff61" <= character <= "\uff9f" for character in str(best) if not character.isascii())
    max_chaos = best.chaos + (2 * _CLEAR_MARGIN if is_kana else _CLEAR_MARGIN / 4)
    return [
        match.encoding
        for match in plausible
        if match is best or (match.chaos < max_chaos and match.coherence > best.coherence - _CLEAR_MARGIN)
    ]


def _is_windows_1252(match: CharsetMatch) -> bool:
    return WINDOWS_1252 in (match.encoding, *match.could_be_from_charset)


def _is_mostly_letters(text: str) -> bool:
    """Return whether a text has several non-ASCII characters, most of them letters and not, e.g., box-drawing lines."""
    characters = [character for character in text if not character.isascii()]
    letters = sum(map(str.isalpha, characters))
    return len(characters) >= _MIN_NON_ASCII_CHARACTERS and letters >= _MIN_LETTER_SHARE * len(characters)
