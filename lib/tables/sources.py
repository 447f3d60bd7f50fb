"""Locations of tables: files, folders, patterns, remote addresses that fsspec can open, and database tables.

Parameters are stored with every run, so passwords do not belong in them: write ``${NAME}`` for the environment variable
of that name. It is substituted only while the table is read.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from lib.errors import DataError, NameNotFound
from lib.paths import display_path, resolve, resolve_existing
from lib.tables.files.file_types import PARQUET_SUFFIXES, TEXT_SUFFIXES

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy

    from lib.tables.schema_source import SchemaSource

DATABASES = (
    "sqlite",
    "postgresql",
    "postgres",
    "mysql",
    "mariadb",
    "mssql",
    "oracle",
    "snowflake",
    "bigquery",
    "duckdb",
)
_INSTALL_COMMAND = 'make install GROUPS="sources"'
_WILDCARD = re.compile(r"[*?\[]")
_BYTES_PER_MEGABYTE = 1024**2
# File types by their first bytes. Anything else is taken for text.
_SUFFIXES_BY_MAGIC = {b"PAR1": ".parquet", b"\x1f\x8b": ".gz", b"PK\x03\x04": ".zip"}
_DOCUMENTATION_FILE = re.compile(r"(readme|license|licence|changelog|copying)(\.|$)", re.IGNORECASE)
_CLIENT_PACKAGES = ("aiohttp", "azure", "botocore", "google")


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

    if is_database(uri):
        return _read_database(uri, exclude)
    if is_remote(uri):
        with download(uri) as paths:
            return frames.read(paths, exclude, arrow_strings, encoding, schema_source)
    return frames.read(list_files(uri), exclude, arrow_strings, encoding, schema_source)


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


def is_database(uri: str) -> bool:
    """Return whether an address is a database.

    >>> is_database("postgresql+psycopg://host/shop#orders")
    True
    """
    return urlparse(uri).scheme.partition("+")[0] in DATABASES


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
    """Check that files are either all Parquet or all text, and drop the empty text files of several.

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
    try:
        import fsspec

        file_system, path = fsspec.core.url_to_fs(_substitute_secrets(uri))
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
        raise DataError(f"{uri} cannot be read: {type(error).__name__}: {_first_line(error)}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in _CLIENT_PACKAGES:
            raise DataError(f"{uri} cannot be read: {type(error).__name__}: {_first_line(error)}") from error
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


def _read_database(uri: str, exclude: Collection[str]) -> pd.DataFrame:
    """Read a table or the result of a query from a database."""
    import pandas as pd

    from lib.tables import frames
    from lib.tables.column_names import deduplicate_names, normalize_name
    from lib.tables.detect.schema_inference import infer_schema
    from lib.tables.files import pandas_conversion

    address, _, selection = uri.partition("#")
    if not selection:
        raise DataError(f"{uri} names a database but no table. Add the table after a #, e.g. {address}#customers.")
    selection = unquote(selection)
    try:
        import sqlalchemy

        engine = sqlalchemy.create_engine(_substitute_secrets(_resolve_sqlite_path(address)))
        with engine.connect() as connection:
            is_query = re.match(r"\s*(select|with)\b", selection, re.IGNORECASE)
            statement = sqlalchemy.text(selection) if is_query else _select_table(connection, selection, uri)
            frame = pd.read_sql(statement, connection)
    except ImportError as error:
        raise DataError(f"{uri} needs a driver that is not installed ({error}). Install it with pip.") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise DataError(f"{uri} cannot be read: {_first_line(error)}") from error
    if frame.empty:
        raise DataError(f"{uri} has {frame.shape[1]} columns and no rows. Give a table or query with rows.")
    frame = frame.loc[:, [name not in exclude for name in frame.columns]]
    frame, notes = _decode_byte_columns(frame)
    unique_names = deduplicate_names([normalize_name(name) for name in frame.columns])
    schema = infer_schema(pandas_conversion.pandas_to_arrow(frame.set_axis(unique_names, axis=1))).to_dict()
    frames.set_attrs(frame, notes, exclude, schema)
    return frame


def _decode_byte_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Decode columns of bytes as UTF-8, drop those that are not text, and return a note on each of them."""
    import pandas as pd

    notes, kept_indices = [], []
    for index, name in enumerate(frame.columns):
        values = frame.iloc[:, index]
        if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "bytes":
            try:
                frame.isetitem(index, values.str.decode("utf-8"))
            except UnicodeDecodeError:
                notes.append(f"{name} is left out: its cells contain bytes that are not text.")
                continue
        kept_indices.append(index)
    return frame.iloc[:, kept_indices], notes


def _select_table(connection: sqlalchemy.Connection, name: str, uri: str) -> sqlalchemy.Select:
    """Return the statement that selects a whole table or view, given as ``table`` or ``schema.table``."""
    import sqlalchemy

    schema, _, table_name = name.rpartition(".")
    inspector = sqlalchemy.inspect(connection)
    names = [
        *inspector.get_table_names(schema=schema or None),
        *inspector.get_view_names(schema=schema or None),
    ]
    if table_name not in names:
        raise NameNotFound("table", name, names, where=uri.partition("#")[0])
    table: sqlalchemy.Table = sqlalchemy.Table(
        table_name, sqlalchemy.MetaData(), schema=schema or None, autoload_with=connection
    )
    return sqlalchemy.select(table)


def _resolve_sqlite_path(address: str) -> str:
    """Make the path of a SQLite file absolute, relative to the project's folder."""
    scheme, separator, path = address.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not separator or not path or path == ":memory:":
        return address
    return f"{scheme}:///{resolve_existing(path)}"


def _substitute_secrets(uri: str) -> str:
    """Replace each ``${NAME}`` by the environment variable of that name."""
    missing = [name for name in re.findall(r"\$\{(\w+)\}", uri) if name not in os.environ]
    if missing:
        raise DataError(f"{uri}: the environment variable {missing[0]} is not set. Set it before the run.")
    return os.path.expandvars(uri)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
