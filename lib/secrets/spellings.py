"""All spellings of a secret value: percent-encoded, escaped for HTML, JSON or Python, in base64, or cut off."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

# Shorter values occur by chance in ordinary text.
MIN_CHARACTERS = 4
_MIN_FREE_CHARACTERS = 7  # shorter values must not touch other letters or digits
_MIN_BASE64_CHARACTERS = 8
_MIN_LINE_CHARACTERS = 16
_BEGINNING_CHARACTERS = 16  # of a value that pandas or another library cuts off with an ellipsis
_HTML_ESCAPES = {
    "&": ("&amp;", "&#38;", "&#x26;"),
    "<": ("&lt;", "&#60;"),
    ">": ("&gt;", "&#62;"),
    '"': ("&quot;", "&#34;"),
    "'": ("&#x27;", "&#39;", "&apos;"),
}
_CONTROL_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}
# Keys of a URL's query whose value is a secret of its own.
_SECRET_KEYS = re.compile(r"sig|signature|token|key|secret|password|passwd|pwd|code", re.IGNORECASE)


def make_pattern(value: str) -> str:
    r"""Return a regular expression that matches a secret value in every spelling.

    Parameters
    ----------
    value : str
        The secret. A percent-encoded value is matched decoded, too.

    Examples
    --------
    >>> pattern = re.compile(make_pattern("sig=a+b/c&d"))
    >>> [bool(pattern.search(text)) for text in ("?sig=a%2Bb%2fc&amp;d", "sig=a+b%252Fc\\u0026d", "sig=ab")]
    [True, True, False]
    """
    parts = dict.fromkeys(part for part in _list_parts(value) if len(part) >= MIN_CHARACTERS)
    return "|".join(pattern for part in sorted(parts, key=len, reverse=True) for pattern in _list_patterns(part))


def _list_parts(value: str) -> Iterator[str]:
    """Yield the value, and the parts of it that are secrets of their own: lines, and secret values of a query."""
    decoded = unquote(value)
    yield value
    yield decoded
    lines = [line.strip() for line in decoded.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _MIN_LINE_CHARACTERS and not line.startswith("-----"))
    query = value.partition("?")[2] or value
    if "=" in query:
        for key, secret in parse_qsl(query.partition("#")[0]):
            if _SECRET_KEYS.search(key) and len(secret) >= _MIN_BASE64_CHARACTERS:
                yield secret
                yield secret.replace(" ", "+")  # an unencoded plus sign, which parse_qsl takes for a space
    if (credentials := re.match(r"[\w+.-]+://[^/@:]*:([^/@]+)@", value)) is not None:
        yield unquote(credentials[1])


def _list_patterns(part: str) -> Iterator[str]:
    spelled = [_spell(character) for character in part]
    whole = "".join(spelled)
    yield whole if len(part) >= _MIN_FREE_CHARACTERS else rf"(?<![0-9A-Za-z_]){whole}(?![0-9A-Za-z_])"
    if len(part) > _BEGINNING_CHARACTERS:
        beginning = "".join(spelled[:_BEGINNING_CHARACTERS])
        yield rf"{beginning}[^\s\"'<>]{{0,{len(part)}}}?(?:\.\.\.|…)"
    if len(part) >= _MIN_BASE64_CHARACTERS:
        yield from _list_base64(part)


def _spell(character: str) -> str:
    """Return a pattern for one character: itself, percent-encoded once or twice, or escaped."""
    if character.isascii() and character.isalnum():
        return character
    spellings = [character, *_HTML_ESCAPES.get(character, ())]
    if character in ("+", " "):
        spellings += ["+", " "]
    patterns = [re.escape(spelling) for spelling in spellings]
    if character in _CONTROL_LETTERS:
        patterns.append(rf"\\+{_CONTROL_LETTERS[character]}")
    elif not character.isalnum():  # JSON within JSON has several backslashes
        patterns.append(r"\\+" if character == "\\" else rf"\\+{re.escape(character)}")
    encoded = [f"{byte:02x}" for byte in character.encode("utf-8", "replace")]
    for percent in ("%", "%25"):
        patterns.append("".join(f"{percent}{_any_case(byte)}" for byte in encoded))
    if ord(character) <= 0xFFFF:
        patterns.append(rf"\\+u{_any_case(f'{ord(character):04x}')}")
    patterns.append("".join(rf"\\+x{_any_case(byte)}" for byte in encoded))
    return f"(?:{'|'.join(sorted(set(patterns), key=len, reverse=True))})"


def _any_case(hexadecimal: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in hexadecimal)


def _list_base64(part: str) -> Iterator[str]:
    """Yield the base64 of a value at each of the three positions that it can have in a longer text."""
    content = part.encode("utf-8", "replace")
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + content).decode().rstrip("=")
        start = (0, 2, 3)[offset]  # the characters before depend on the text before
        end = len(encoded) - (1 if (offset + len(content)) % 3 else 0)
        stable = encoded[start:end]
        yield re.escape(stable).replace(r"\+", r"(?:\+|-|%2[Bb])").replace("/", "(?:/|_|%2[Ff])")
