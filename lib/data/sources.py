"""Where tables are: a file, a folder, a pattern, an address that fsspec opens, or a table of a database.

A password does not belong into a parameter, which is kept with every run: write ``${NAME}`` and set the environment
variable of that name. It is put in only when the table is read.
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

from lib.data.endings import PARQUET, TEXT
from lib.errors import DataError
from lib.paths import display_path, resolve, resolve_existing

if TYPE_CHECKING:
    import pandas as pd

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
_INSTALL = 'make install GROUPS="sources"'
_PATTERN = re.compile(r"[*?\[]")
_MEGABYTE = 1024**2
# What a file is by its first bytes; without any of them it is text.
_ENDINGS = {b"PAR1": ".parquet", b"\x1f\x8b": ".gz", b"PK\x03\x04": ".zip"}
_ABOUT = re.compile(r"(readme|license|licence|changelog|copying)(\.|$)", re.IGNORECASE)


def read(uri: str, without: Collection[str] = (), arrow_texts: bool = False, encoding: str = "") -> pd.DataFrame:
    """Table of an address.

    Parameters
    ----------
    uri : str
        A path (relative to the project's folder), a pattern such as ``data/2024-*.csv``, a folder, a ``file:`` URI;
        an address of any file system that fsspec knows, e.g. ``https://``, ``abfs://``; or a database, its table or
        query behind a ``#``: ``sqlite:///shop.db#customers``.
    without : collection of str
        Columns that are not read.
    arrow_texts : bool
    encoding : str
        As `tables.read` says.

    Raises
    ------
    DataError
        Where nothing is there, or it is no table.
    """
    from lib.data import tables

    if is_database(uri):
        return _query(uri, without)
    if is_remote(uri):
        with _fetched(uri) as paths:
            return tables.read(paths, without, arrow_texts, encoding)
    return tables.read(files(uri), without, arrow_texts, encoding)


def files(uri: str) -> list[Path]:
    """Files on this machine that a path, a pattern or a folder stands for, in the order of their names.

    Raises
    ------
    DataError
        Where there is none, or they are of several kinds.
    """
    path = unquote(urlparse(uri).path) if uri.startswith("file:") else uri
    if _PATTERN.search(path) and not resolve(path).exists():
        whole = resolve(path)
        found = sorted(one for one in Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))) if one.is_file())
        if not found:
            raise DataError(f"No file matches {uri} (looked for {whole}).")
        return _of_one_kind(uri, found)
    found = resolve_existing(path)
    return _of_one_kind(uri, _in_folder(found)) if found.is_dir() else [found]


def is_remote(uri: str) -> bool:
    """Whether an address is of another machine."""
    scheme = urlparse(uri).scheme
    return len(scheme) > 1 and scheme != "file"  # one letter is a drive of Windows


def is_database(uri: str) -> bool:
    """Whether an address is of a database."""
    return urlparse(uri).scheme.partition("+")[0] in DATABASES


def found(uri: str) -> str:
    """Where a table is and how large, for people; of what is on another machine, where only.

    Raises
    ------
    DataError
        Where nothing is there.
    """
    if is_remote(uri):
        return uri
    paths = files(uri)
    size = f"{sum(path.stat().st_size for path in paths) / _MEGABYTE:.1f} MB"
    return f"{display_path(paths[0])}, {size}" if len(paths) == 1 else f"{len(paths)} files of {uri}, {size}"


def _in_folder(folder: Path) -> list[Path]:
    parts = [one for one in sorted(folder.rglob("*")) if one.is_file() and one.suffix.lower() in PARQUET + TEXT]
    # As Spark and pyarrow do: names with a dot or an underscore before them are not data.
    parts = [one for one in parts if not any(part[0] in "._" for part in one.relative_to(folder).parts)]
    parts = [one for one in parts if not _ABOUT.match(one.name)]
    if not parts:
        raise DataError(f"{folder} is a folder without a table; known are {', '.join(PARQUET + TEXT)}.")
    return parts


def _of_one_kind(uri: str, paths: list[Path]) -> list[Path]:
    if len(paths) > 1:  # what Spark writes for a part without rows
        paths = [path for path in paths if path.suffix.lower() in PARQUET or path.stat().st_size] or paths

    parquet = [path for path in paths if path.suffix.lower() in PARQUET]
    if parquet and len(parquet) < len(paths):
        other = next(path for path in paths if path not in parquet)
        raise DataError(f"{uri} holds both Parquet ({parquet[0].name}) and text ({other.name}). Name one kind.")
    return paths


@contextmanager
def _fetched(uri: str) -> Iterator[list[Path]]:
    """Copies on this machine, for as long as they are read."""
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(_with_secrets(uri))
        with tempfile.TemporaryDirectory() as folder, _called(folder, uri):
            if _PATTERN.search(path) and urlparse(uri).scheme not in ("http", "https"):
                names = sorted(system.glob(path))
            else:
                names = sorted(system.find(path)) if system.isdir(path) else [path]
            copies = []
            for place, name in enumerate(names):
                copy = Path(folder) / str(place) / (PurePosixPath(urlparse(name).path).name or "table")
                copy.parent.mkdir()
                system.get_file(name, str(copy))
                copies.append(copy)
            if not copies:
                raise DataError(f"No file matches {uri}.")
            yield _of_one_kind(uri, list(map(_with_ending, copies)))
    except ImportError as error:
        raise DataError(f"{uri} needs a package that is not installed ({error}). Install it: {_INSTALL}") from error
    except FileNotFoundError as error:
        raise DataError(f"There is nothing at {uri}.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{uri} cannot be read: {type(error).__name__}: {_first_line(error)}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("aiohttp", "azure", "botocore", "google"):
            raise DataError(f"{uri} cannot be read: {type(error).__name__}: {_first_line(error)}") from error
        raise


@contextmanager
def _called(folder: str, uri: str) -> Iterator[None]:
    """Copies in a folder are called by their address in messages."""
    try:
        yield
    except DataError as error:
        raise DataError(re.sub(rf"{re.escape(folder)}/\d+/[^\s:,]+", lambda _: uri, str(error))) from error


def _with_ending(copy: Path) -> Path:
    """Copy whose name says what it is, where the address does not, as one that ends with ``export?format=csv``."""
    if copy.suffix.lower() in PARQUET + TEXT:
        return copy
    with copy.open("rb") as file:
        start = file.read(4)
    ending = next((ending for magic, ending in _ENDINGS.items() if start.startswith(magic)), ".csv")
    return copy.rename(copy.with_name(copy.name + ending))


def _query(uri: str, without: Collection[str]) -> pd.DataFrame:
    import pandas as pd

    from lib.data import tables

    address, _, wanted = uri.partition("#")
    if not wanted:
        raise DataError(f"{uri} names a database and no table. Put one behind a #, e.g. {address}#customers.")
    try:
        import sqlalchemy

        engine = sqlalchemy.create_engine(_with_secrets(_absolute(address)))
        wanted = unquote(wanted)
        with engine.connect() as connection:
            is_query = re.match(r"\s*(select|with)\b", wanted, re.IGNORECASE)
            statement = sqlalchemy.text(wanted) if is_query else _table(connection, wanted, uri)
            frame = pd.read_sql(statement, connection)
    except ImportError as error:
        raise DataError(f"{uri} needs a driver that is not installed ({error}). Install it with pip.") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise DataError(f"{uri} cannot be read: {_first_line(error)}") from error
    if frame.empty:
        raise DataError(f"{uri} gave {frame.shape[1]} columns and no row.")
    frame = frame.loc[:, [name not in without for name in frame.columns]]
    frame, notes = _of_texts(frame)
    frame.attrs.update({tables.NOTES: notes, tables.UNREAD: list(without)})
    return frame


def _of_texts(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Frame with bytes as the texts that they are, or without them, and a note on those."""
    import pandas as pd

    notes, kept = [], []
    for place, name in enumerate(frame.columns):
        values = frame.iloc[:, place]
        if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "bytes":
            try:
                frame.isetitem(place, values.str.decode("utf-8"))
            except UnicodeDecodeError:
                notes.append(f"{name} is left out: its cells hold bytes that are no text.")
                continue
        kept.append(place)
    return frame.iloc[:, kept], notes


def _table(connection: object, name: str, uri: str) -> object:
    """Statement that selects a whole table."""
    import sqlalchemy

    from lib.errors import NameNotFound

    schema, _, table = name.rpartition(".")
    known = sqlalchemy.inspect(connection)
    names = [*known.get_table_names(schema=schema or None), *known.get_view_names(schema=schema or None)]
    if table not in names:
        raise NameNotFound("table", name, names, where=uri.partition("#")[0])
    found = sqlalchemy.Table(table, sqlalchemy.MetaData(), schema=schema or None, autoload_with=connection)
    return sqlalchemy.select(found)


def _absolute(address: str) -> str:
    """Address of a SQLite file below the project's folder, wherever a notebook runs."""
    scheme, separator, path = address.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not separator or not path or path == ":memory:":
        return address
    return f"{scheme}:///{resolve_existing(path)}"


def _with_secrets(uri: str) -> str:
    missing = [name for name in re.findall(r"\$\{(\w+)\}", uri) if name not in os.environ]
    if missing:
        raise DataError(f"{uri}: the environment variable {missing[0]} is not set.")
    return os.path.expandvars(uri)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
