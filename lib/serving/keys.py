"""The two keys of an endpoint: a file only its owner can read, read anew whenever it changes.

Two, so that a key is changed without a pause: renew the one that no client uses, move the clients to
it, renew the other.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
from pathlib import Path

log = logging.getLogger(__name__)
NAMES = ("primary", "secondary")


def create(path: Path) -> dict[str, str]:
    """Keys of a new endpoint; where the file exists, it is left as it is.

    Returns
    -------
    dict
        The keys by name, ``primary`` and ``secondary``.
    """
    if not path.exists():
        _write(path, {name: secrets.token_urlsafe(32) for name in NAMES})
    return read(path)


def read(path: Path) -> dict[str, str]:
    """Keys by name.

    Raises
    ------
    PermissionError
        Where others may read the file, too.
    """
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} holds keys and others may read it: chmod 600 {path}")
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: str(found[name]) for name in NAMES}


def renew(path: Path, name: str) -> dict[str, str]:
    """Replace one key; the other stays valid, and the running endpoint takes the new one at once."""
    keys = {**read(path), name: secrets.token_urlsafe(32)}
    _write(path, keys)
    return keys


def _write(path: Path, keys: dict[str, str]) -> None:
    # Made with its mode, not given it afterwards; and moved into place, so that nobody reads half of it.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(keys, file, indent=2)
    os.replace(unfinished, path)


class KeyFile:
    """Says whether a request bears a key.

    Parameters
    ----------
    path : Path
        The file with the keys. While it cannot be read nobody is let in.
    """

    def __init__(self, path: Path):
        self.path = path
        self._read_at: tuple | None = None
        self._keys: tuple[bytes, ...] = ()

    def admits(self, authorization: str | None) -> bool:
        """Whether the header ``Authorization`` holds one of the keys as a bearer token."""
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip().encode()
        # Both are compared whatever the first says, each in constant time: time tells nothing.
        same = [hmac.compare_digest(given, key) for key in self._current()]
        return scheme.lower() == "bearer" and any(same)

    def _current(self) -> tuple[bytes, ...]:
        try:
            state = os.stat(self.path)
            read_at = (state.st_mtime_ns, state.st_ino, state.st_size, state.st_mode)
            if read_at != self._read_at:
                self._keys = tuple(key.encode() for key in read(self.path).values() if key)
                self._read_at = read_at
        except (OSError, ValueError, KeyError) as error:
            log.error("Nobody is let in, as the keys cannot be read: %s", error)
            self._keys, self._read_at = (), None
        return self._keys
