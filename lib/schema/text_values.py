"""Text as all readers of a table spell it."""

from __future__ import annotations

import unicodedata


def normalize_text(text: str) -> str:
    r"""Return text in Unicode's composed form (NFC), in which an é is always one character.

    https://unicode.org/reports/tr15/

    Examples
    --------
    >>> normalize_text("e\u0301te\u0301") == "\u00e9t\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def decode_bytes(content: bytes) -> str:
    r"""Return bytes as text; those that are not UTF-8 are escaped.

    Examples
    --------
    >>> decode_bytes(b"Oslo\xff")
    'Oslo\\xff'
    """
    return content.decode("utf-8", "backslashreplace")
