"""Addresses of the local data store: paths and ``file:`` URIs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

from lib.errors import DataError
from lib.paths import resolve_existing


def local_path(uri: str) -> Path:
    """Return the path of an existing file from its path or ``file:`` URI.

    Raises
    ------
    DataError
        If the file does not exist, or if the address is not that of a file.
    """
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return resolve_existing(unquote(parsed.path))
    if len(parsed.scheme) > 1:  # a single letter is a drive on Windows
        raise DataError(
            f"{uri}: the local backend reads only local files, and not {parsed.scheme} addresses. Download the file, "
            "and use its path."
        )
    return resolve_existing(uri)
