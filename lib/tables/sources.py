"""Locations of tables: files, folders, patterns, remote addresses that fsspec can open, and database tables.

Parameters are stored with every run, so passwords do not belong in them: write ``${NAME}`` for the environment variable
of that name, or ``env:NAME`` for a whole address. It is substituted only while the table is read, and errors show the
reference instead.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from lib.errors import DataError
from lib.paths import display_path, resolve, resolve_existing
from lib.secrets import references
from lib.secrets.masked_errors import masked_errors
from lib.tables import databases
from lib.tables.files.file_types import PARQUET_SUFFIXES, TEXT_SUFFIXES

if TYPE_CHECKING:
    import pandas as pd

    from lib.tables.schema_source import SchemaSource

_INSTALL_COMMAND = 'make install GROUPS="sources"'
_WILDCARD = re.compile(r"[*?\[]")
_BYTES_PER_MEGABYTE = 1024**2
# File types by their first bytes. Anything else is taken for text.
_SUFFIXES_BY_MAGIC = {b"PAR1": ".parquet", b"\x1f\x8b": ".gz", b"PK\x03\x04": ".zip"}
_DOCUMENTATION_FILE = re.compile(r"(readme|license|licence|changelog|copying)(\.|$)", re.IGNORECASE)
_CLIENT_PACKAGES = ("aiohttp", "azure", "botocore", "google")


@masked_errors()
def read(
    uri: str,
    exclude: Collection[str] = (),
    arrow_strings: bool = False,
    encoding: str = "",
    schema_source: SchemaSource | None = None,
) -> pd.DataFrame:
    """Read a table from any supported location.

    Parameters
    ----------
    uri : str
        One of:

        - a path relative to the project's folder, a folder, a pattern such as ``data/2024-*.csv``, or a ``file:`` URI
        - an address that fsspec can open, e.g. ``https://`` or ``abfs://``
        - a database with a table or query after a ``#``: ``sqlite:///shop.db#customers``
        - ``env:NAME``, the environment variable that contains one of these
    exclude : collection of str
        Columns not to read.
    arrow_strings, encoding, schema_source
        See `frames.read`.

    Raises
    ------
    DataError
        If there is no table at this location, or it cannot be read.
    """
    from lib.tables import frames

    uri = expand_reference(uri)
    if databases.is_database(uri):
        return databases.read(uri, exclude)
    if is_remote(uri):
        with download(uri) as paths:
            return frames.read(paths, exclude, arrow_strings, encoding, schema_source)
    return frames.read(list_files(uri), exclude, arrow_strings, encoding, schema_source)


def expand_reference(uri: str) -> str:
    """Return the address in the environment variable NAME for ``env:NAME``, and any other address unchanged.

    Raises
    ------
    DataError
        If the variable is not set.
    """
    return references.expand_address(uri) if references.is_reference(uri) else uri


def list_files(uri: str) -> list[Path]:
    """List the local files of a path, pattern or folder, sorted by name.

    Raises
    ------
    DataError
        If there is no such file, or Parquet and text files are mixed.
    """
    path = unquote(urlparse(uri).path) if uri.startswith("file:") else uri
    absolute_path = resolve(path)
    if _WILDCARD.search(path) and not absolute_path.exists():
        pattern = str(absolute_path.relative_to(absolute_path.anchor))
        matches = sorted(match for match in Path(absolute_path.anchor).glob(pattern) if match.is_file())
        if not matches:
            raise DataError(f"No file matches {uri} (looked for {absolute_path}).")
        return _check_one_format(uri, matches)
    absolute_path = resolve_existing(path)
    return _check_one_format(uri, _list_folder(absolute_path)) if absolute_path.is_dir() else [absolute_path]


def is_remote(uri: str) -> bool:
    r"""Return whether an address is on another machine.

    >>> is_remote("abfs://sales/2024.csv"), is_remote("C:\\sales.csv")
    (True, False)
    """
    scheme = urlparse(uri).scheme
    return len(scheme) > 1 and scheme != "file"  # a scheme of one letter is a Windows drive


def describe(uri: str) -> str:
    """Return the location and size of a table for messages; for remote tables, the location only.

    Raises
    ------
    DataError
        If a local table does not exist.
    """
    if is_remote(uri):
        return uri
    paths = list_files(uri)
    size = f"{sum(path.stat().st_size for path in paths) / _BYTES_PER_MEGABYTE:.1f} MB"
    return f"{display_path(paths[0])}, {size}" if len(paths) == 1 else f"{len(paths)} files of {uri}, {size}"


def _list_folder(folder: Path) -> list[Path]:
    """List the data files in a folder and its subfolders."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix.lower() in PARQUET_SUFFIXES + TEXT_SUFFIXES
    ]
    # Like Spark and pyarrow, ignore names that start with a dot or an underscore.
    paths = [path for path in paths if not any(part[0] in "._" for part in path.relative_to(folder).parts)]
    paths = [path for path in paths if not _DOCUMENTATION_FILE.match(path.name)]
    if not paths:
        supported = ", ".join(PARQUET_SUFFIXES + TEXT_SUFFIXES)
        raise DataError(f"{folder} is a folder without a table. Supported file types: {supported}.")
    return paths


def _check_one_format(uri: str, paths: list[Path]) -> list[Path]:
    """Check that files are either all Parquet or all text. If there are several, drop empty text files.

    Spark writes an empty text file for a partition without rows.
    """
    if len(paths) > 1:
        paths = [path for path in paths if path.suffix.lower() in PARQUET_SUFFIXES or path.stat().st_size] or paths
    parquet_files = [path for path in paths if path.suffix.lower() in PARQUET_SUFFIXES]
    if parquet_files and len(parquet_files) < len(paths):
        text_file = next(path for path in paths if path not in parquet_files)
        raise DataError(
            f"{uri} contains both Parquet files ({parquet_files[0].name}) and text files ({text_file.name}). Give a "
            "pattern that matches one kind, e.g. *.parquet."
        )
    return paths


@contextmanager
def download(uri: str) -> Iterator[list[Path]]:
    """Download remote files to a temporary folder, which is deleted when the context ends."""
    with masked_errors(), _download(uri, references.expand_address(uri)) as paths:
        yield paths


@contextmanager
def _download(uri: str, address: str) -> Iterator[list[Path]]:
    """Download the files of an address, and show the URI that it was expanded from in messages."""
    try:
        import fsspec

        file_system, path = fsspec.core.url_to_fs(address)
        with tempfile.TemporaryDirectory() as folder, _show_address_in_errors(folder, uri):
            if _WILDCARD.search(path) and urlparse(uri).scheme not in ("http", "https"):
                names = sorted(file_system.glob(path))
            else:
                names = sorted(file_system.find(path)) if file_system.isdir(path) else [path]
            copies = []
            for index, name in enumerate(names):
                copy = Path(folder) / str(index) / (PurePosixPath(urlparse(name).path).name or "table")
                copy.parent.mkdir()
                file_system.get_file(name, str(copy))
                copies.append(_add_missing_suffix(copy))
            if not copies:
                raise DataError(f"No file matches {uri}.")
            yield _check_one_format(uri, copies)
    except ImportError as error:
        raise DataError(
            f"{uri} needs a package that is not installed ({error}). Install it: {_INSTALL_COMMAND}"
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{uri} does not exist.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{uri} cannot be read: {type(error).__name__}: {databases.get_first_line(error)}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in _CLIENT_PACKAGES:
            raise DataError(
                f"{uri} cannot be read: {type(error).__name__}: {databases.get_first_line(error)}"
            ) from error
        raise


@contextmanager
def _show_address_in_errors(folder: str, uri: str) -> Iterator[None]:
    """In error messages, show the address that the user gave instead of the path of its temporary copy."""
    try:
        yield
    except DataError as error:
        raise DataError(re.sub(rf"{re.escape(folder)}/\d+/[^\s:,]+", lambda _: uri, str(error))) from error


def _add_missing_suffix(copy: Path) -> Path:
    """Rename a file by its content if its address has no known suffix, e.g. ends with ``export?format=csv``."""
    if copy.suffix.lower() in PARQUET_SUFFIXES + TEXT_SUFFIXES:
        return copy
    with copy.open("rb") as file:
        start = file.read(4)
    suffix = next((suffix for magic, suffix in _SUFFIXES_BY_MAGIC.items() if start.startswith(magic)), ".csv")
    return copy.rename(copy.with_name(copy.name + suffix))
