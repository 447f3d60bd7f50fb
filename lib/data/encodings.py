"""Which encoding the signs beyond ASCII of a text file are in, where they are not UTF-8.

Windows' Latin-1 reads any bytes but five, and makes nonsense of Russian or Japanese. So charset-normalizer looks at the
lines in question: it decodes them in each candidate, and weighs how odd the signs stand beside one another (chaos) and
how much their frequencies are a language's (coherence).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import DataError

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

LATIN = "cp1252"
# Of Eastern Europe's and Turkey's none: they are letters like those of Latin-1, and no table tells them for sure.
NAMES = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
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
        raise DataError(f"{path} is not UTF-8 but may be {listed}, first in line {line}. Save it as UTF-8.")
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
            f"{path} is neither UTF-8 nor Windows' Latin-1: line {line} has the byte 0x{byte:02x}. Save it as UTF-8."
        )
    return LATIN


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
