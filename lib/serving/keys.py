"""The two keys of an endpoint, in a file that only its owner can read.

Two keys make it possible to replace one without an interruption: renew the unused key, move the clients to it, then
renew the other. Running endpoints notice changes of the file.
"""

from __future__ import annotations

import hmac
import json
import logging
import math
import os
import secrets
import time
from pathlib import Path

from filelock import FileLock

log = logging.getLogger(__name__)
NAMES = ("primary", "secondary")
# A running endpoint refuses a replaced key after this time at the latest.
CHECK_SECONDS = 0.1
_LOCK_SECONDS = 30


def create(path: Path) -> dict[str, str]:
    """Return the keys of an endpoint; create the file if it does not exist.

    Returns
    -------
    dict
        The keys by name, ``primary`` and ``secondary``.
    """
    with _lock(path):
        if not path.exists():
            _write(path, {name: secrets.token_urlsafe(32) for name in NAMES})
        return read(path)


def read(path: Path) -> dict[str, str]:
    """Return the keys of an endpoint by name.

    Raises
    ------
    PermissionError
        If other users can read the file.
    ValueError
        If the file does not contain two keys.
    """
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} holds keys, and other users can read it. Run: chmod 600 {path}")
    keys = json.loads(path.read_text(encoding="utf-8"))
    if any(not isinstance(keys[name], str) or not keys[name] for name in NAMES):
        raise ValueError(f"{path} does not contain two keys. Delete the file, and deploy again to get new keys.")
    return {name: keys[name] for name in NAMES}


def renew(path: Path, name: str) -> dict[str, str]:
    """Replace one of the two keys, and return both. A running endpoint refuses the replaced key within `CHECK_SECONDS`.

    Renewals in several processes are made one after the other, so that none brings back a key that another replaced.
    """
    with _lock(path):
        keys = {**read(path), name: secrets.token_urlsafe(32)}
        _write(path, keys)
        return keys


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_name(f"{path.name}.lock"), timeout=_LOCK_SECONDS, mode=0o600)


def _write(path: Path, keys: dict[str, str]) -> None:
    """Replace the file of the keys in a single step; the caller holds the lock.

    A process that was killed while it wrote may have left an unfinished file, which is deleted.
    """
    for unfinished in path.parent.glob(f"{path.name}.*"):
        if unfinished.name != f"{path.name}.lock":
            unfinished.unlink()
    unfinished = path.with_name(f"{path.name}.new")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(keys, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


class KeyFile:
    """The keys in a file, with which requests are compared. The file is read again when it changes.

    Parameters
    ----------
    path : Path
        File of the keys. While it cannot be read, no key is accepted.
    check_seconds : float
        For how long a replaced key may still be accepted, so that the file need not be looked at for each request.
        A new key is accepted at once.
    """

    def __init__(self, path: Path, check_seconds: float = 0):
        self.path = path
        self._check_seconds = check_seconds
        self._checked_at = -math.inf
        self._file_state: tuple[int, ...] | None = None
        self._keys: tuple[bytes, ...] = ()
        self._trouble = ""

    def admits(self, authorization: str | None) -> bool:
        """Return whether the header ``Authorization`` holds one of the keys as a bearer token."""
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip().encode()
        if scheme.lower() != "bearer":
            return False
        is_checked = time.monotonic() < self._checked_at + self._check_seconds
        return (is_checked and _is_one_of(given, self._keys)) or _is_one_of(given, self._current())

    def _current(self) -> tuple[bytes, ...]:
        """Return the keys in the file, which is read if it has changed."""
        self._checked_at = time.monotonic()
        try:
            stat = os.stat(self.path)
            file_state = (stat.st_mtime_ns, stat.st_ino, stat.st_size, stat.st_mode)
            if file_state != self._file_state:
                self._keys = tuple(key.encode() for key in read(self.path).values())
                self._file_state = file_state
            self._trouble = ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            if str(error) != self._trouble:  # once, not for every request
                self._trouble = str(error)
                log.error("All requests are refused, since the keys cannot be read: %s", error)
            self._keys, self._file_state = (), None
        return self._keys


def _is_one_of(given: bytes, keys: tuple[bytes, ...]) -> bool:
    """Return whether a token is one of the keys.

    All keys are compared, each in constant time, so that response times reveal nothing.
    """
    return any([hmac.compare_digest(given, key) for key in keys])
