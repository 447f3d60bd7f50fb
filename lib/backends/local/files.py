"""Addresses of the local data store: paths and ``file:`` URIs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

from lib.errors import DataError
from lib.paths import resolve_existing


def local_path(uri: str) -> Path:
    """Return the path of an existing file.

    Raises
    ------
    DataError
        If the file does not exist, with the nearest name, or if the address is not a file's.
    """
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return resolve_existing(unquote(parsed.path))
    if len(parsed.scheme) > 1:  # a single letter is a drive on Windows
        raise DataError(
            f"{uri}: the local backend reads files, not {parsed.scheme}: addresses. Download it, or use a path."
        )
    return resolve_existing(uri)
