"""Addresses of the local data store: paths and ``file:`` URIs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

from lib.errors import DataError
from lib.paths import resolve_existing


def local_path(uri: str) -> Path:
    """Path of a file that must be there.

    Raises
    ------
    DataError
        Where it is not, with the nearest name, or where the address is none of a file.
    """
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return resolve_existing(unquote(parsed.path))
    if len(parsed.scheme) > 1:  # one letter is a drive of Windows
        raise DataError(
            f"{uri}: the local backend reads files, not {parsed.scheme}: addresses. Download it, or name a path."
        )
    return resolve_existing(uri)
