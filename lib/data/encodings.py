"""Which encoding the signs beyond ASCII of a text file are in, where they are not UTF-8.

Windows' Latin-1 reads any bytes but five, and makes nonsense of Russian or Japanese. So charset-normalizer looks at the
lines in question: it decodes them in each candidate, and weighs how odd the signs stand beside one another (chaos) and
how much their frequencies are a language's (coherence).
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

LATIN = "cp1252"
# Of Eastern Europe's and Turkey's none: they are letters like those of Latin-1, and no table tells them for sure.
NAMES = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    LATIN: "Windows' Latin-1 (cp1252)",
    "cp1251": "Windows' Cyrillic (cp1251)",
    "koi8_r": "KOI8-R",
    "cp1253": "Windows' Greek (cp1253)",
    "cp932": "Shift-JIS (cp932)",
    "euc_jp": "EUC-JP",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "Korean (cp949)",
}
# What a file may begin with; UTF-32's begins as UTF-16's does.
_MARKS = {
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-8": (codecs.BOM_UTF8,),
}
# In these the bytes of a comma or a quote may be a part of another sign.
_SHIFTING = ("iso2022", "hz", "utf-7")
_BLOCK_BYTES = 2**20
_WORD = re.compile(r"[^\s,;|\"]*[^\x00-\x7f][^\s,;|\"]*")
_LONGEST_WORD = 40
# How much another encoding must be better than Latin-1, or than a third, to be taken for sure.
_CLEARLY = 0.1
# Some words of two or three bytes are UTF-8 by chance.
_BY_CHANCE = 0.2
_SEVERAL, _MOSTLY = 4, 0.7


@dataclass(frozen=True)
class Strange:
    """What a file that is not UTF-8 holds beyond ASCII.

    Attributes
    ----------
    lines : bytes
        Some of the lines that are none of UTF-8.
    utf8_share : float
        Of the lines beyond ASCII that were looked at, how many are UTF-8 all the same.
    first : tuple of (int, int)
        Line and value of the first byte that is none of UTF-8.
    utf8_sign : tuple of (int, str) or None
        Line of a sign that hardly is anything but UTF-8, and the sign.
    undefined : tuple of (int, int) or None
        Line and value of the first byte that is none of Latin-1.
    """

    lines: bytes
    utf8_share: float
    first: tuple[int, int]
    utf8_sign: tuple[int, str] | None
    undefined: tuple[int, int] | None


def encoding_of(strange: Strange, path: Path) -> str:
    """Encoding of a file that is not UTF-8.

    Raises
    ------
    DataError
        Where it is none for sure, naming a line.
    """
    found = _foreign(strange.lines)
    line, byte = strange.first
    listed = " or ".join(NAMES[one] for one in found)
    if found and strange.utf8_share > _BY_CHANCE:
        raise DataError(
            f"{path} is in two encodings: it has lines in UTF-8, and others from line {line} on that may be {listed}. "
            "Mend these lines, or make the file anew from one source."
        )
    if len(found) > 1:
        raise DataError(
            f"{path} is not UTF-8 but may be {listed}, first in line {line}. Save it as UTF-8, or say which it is: "
            f"encoding: {found[0]}, or another of Python's (cp1250, cp1256)."
        )
    if found:
        return found[0]
    if strange.utf8_sign:
        utf8_line, sign = strange.utf8_sign
        raise DataError(
            f"{path} is in two encodings: line {utf8_line} has {sign!r} in UTF-8, and line {line} the byte "
            f"0x{byte:02x}, which is none of UTF-8 (in Windows' Latin-1 it is "
            f"{bytes([byte]).decode(LATIN, 'replace')!r}). Mend these lines, or make the file anew from one source."
        )
    if strange.undefined:
        line, byte = strange.undefined
        raise DataError(
            f"{path} is neither UTF-8 nor Windows' Latin-1: line {line} has the byte 0x{byte:02x}. Save it "
            "as UTF-8, or say what it is with encoding (cp1250 or mac_roman, say)."
        )
    return LATIN


def named(encoding: str) -> str:
    """What an encoding is called, for people."""
    return NAMES.get(encoding, encoding)


def of_mark(start: bytes) -> str:
    """Encoding whose byte order mark a file begins with; empty where it begins with none."""
    return next((name for name, marks in _MARKS.items() if start.startswith(marks)), "")


def given(encoding: str, start: bytes, path: Path) -> str:
    """Encoding that is asked for, as Python calls it, or that of the byte order mark, which says more.

    Raises
    ------
    DataError
        Where the mark is of another.
    """
    name, marked = codecs.lookup(encoding).name, of_mark(start)
    if marked and not name.startswith(marked):
        raise DataError(
            f"{path} begins with the byte order mark of {named(marked)}, so it is not in {encoding}. Leave encoding "
            "empty."
        )
    return marked or ("utf-8" if name == "utf-8-sig" else name)


def has_plain_breaks(encoding: str) -> bool:
    """Whether line breaks, quotes and separators are the bytes that they are in ASCII, and these bytes nothing else."""
    ascii_signs = bytes(range(0x09, 0x7F))
    if encoding.startswith(_SHIFTING):
        return False
    return ascii_signs.decode(encoding, "replace").encode("ascii", "replace") == ascii_signs


def check(file: BinaryIO, path: Path, encoding: str) -> bool:
    """Whether a file has signs beyond ASCII, all of them of an encoding that was asked for.

    Raises
    ------
    DataError
        Naming the line and the byte that the encoding does not have.
    """
    decoder, line, is_ascii = codecs.getincrementaldecoder(encoding)(), 1, True
    while True:
        block = file.read(_BLOCK_BYTES)
        is_ascii = is_ascii and block.isascii()
        try:
            line += decoder.decode(block, final=not block).count("\n")
        except UnicodeDecodeError as error:
            line += error.object[: error.start].decode(encoding, "ignore").count("\n")
            raise DataError(
                f"{path} is not in {encoding}: line {line} has the byte 0x{error.object[error.start]:02x}, which is "
                "none of it. Say another encoding, or leave it empty."
            ) from error
        if not block:
            return not is_ascii


def told_of_guess(strange: Strange, encoding: str) -> str:
    """A sentence on an encoding that was found by looking: how a word reads in it."""
    word = _WORD.search(strange.lines.decode(encoding, "replace"))
    said = word[0][:_LONGEST_WORD] if word else ""
    line = f"line {strange.first[0]:,} has {said!r}"
    return f"Its encoding is a guess, in which {line}: if that is wrong, encoding decides."


def _foreign(lines: bytes) -> list[str]:
    """Encodings that make sense of lines where Latin-1 does not, the likeliest first."""
    from charset_normalizer import from_bytes  # here, since most files are UTF-8

    candidates = [one for one in NAMES if not one.startswith("utf")]
    matches = from_bytes(lines, cp_isolation=candidates, preemptive_behaviour=False)
    found = [one for one in matches if _is_latin(one) or _is_of_letters(str(one))]
    latin = next(filter(_is_latin, found), None)
    best = found[0] if found else None
    if not best or (latin and latin.chaos <= best.chaos + _CLEARLY and latin.coherence >= best.coherence - _CLEARLY):
        return []
    # Any letters are half-width kana of Shift-JIS, which is hardly written any more.
    is_kana = all("\uff61" <= sign <= "\uff9f" for sign in str(best) if not sign.isascii())
    most_chaos = best.chaos + (2 * _CLEARLY if is_kana else _CLEARLY / 4)
    return [
        one.encoding
        for one in found
        if one is best or (one.chaos < most_chaos and one.coherence > best.coherence - _CLEARLY)
    ]


def _is_latin(match: CharsetMatch) -> bool:
    return LATIN in (match.encoding, *match.could_be_from_charset)


def _is_of_letters(text: str) -> bool:
    """Whether the signs beyond ASCII are several and most of them letters, and not lines of boxes."""
    signs = [sign for sign in text if not sign.isascii()]
    return len(signs) >= _SEVERAL and sum(map(str.isalpha, signs)) >= _MOSTLY * len(signs)
