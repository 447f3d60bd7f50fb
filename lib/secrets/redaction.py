"""Texts in which secrets are replaced by a mark that says what stood there."""

from __future__ import annotations

import re
from typing import Any

from lib.secrets import credential_shapes, known_values, private_values

_MARK = re.compile(r"\[redacted: ([^\]\n]{1,100})\]")


def redact(text: str) -> tuple[str, list[str]]:
    """Return a text without secrets, and a description of each secret that it contained.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of str and list of str
        Each secret is replaced by a mark such as ``[redacted: env:TOKEN]`` or ``[redacted: GitHub token]``. Values of
        private columns are replaced by ``[private]``, but they are no secrets.

    Examples
    --------
    >>> redact("key ghp_" + "a1" * 18)
    ('key [redacted: GitHub token]', ['GitHub token'])
    """
    secrets: list[str] = []

    def make_mark(kind: str) -> str:
        secrets.append(kind)
        return f"[redacted: {kind}]"

    text = private_values.mask(known_values.replace(text, make_mark))
    return credential_shapes.replace(text, make_mark), secrets


def find_marks(text: str) -> list[str]:
    """Return a description of each secret that was redacted in a text before.

    >>> find_marks("key [redacted: GitHub token]")
    ['GitHub token']
    """
    return [match[1] for match in _MARK.finditer(text)] if "[redacted: " in text else []


def redact_value(value: Any) -> tuple[Any, list[str]]:
    """Return a JSON value whose texts, including the keys of mappings, are redacted as by `redact`.

    A list of lines, as in a notebook's file, is redacted as one text, because a secret may have several lines.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        if value and all(isinstance(line, str) for line in value) and all(line.endswith("\n") for line in value[:-1]):
            text, secrets = redact("".join(value))
            return text.splitlines(keepends=True) if secrets else value, secrets
        pairs = [redact_value(element) for element in value]
        return [element for element, _ in pairs], [secret for _, secrets in pairs for secret in secrets]
    if isinstance(value, dict):
        entries = {}
        found: list[str] = []
        for key, element in value.items():
            entry, secrets = redact_value(element)
            name, key_secrets = redact(key) if isinstance(key, str) else (key, [])
            entries[name] = entry
            found += key_secrets + secrets
        return entries, found
    return value, []
