"""Tables in databases, read with SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from lib.errors import DataError, NameNotFound
from lib.paths import resolve_existing
from lib.secrets import references
from lib.secrets.masked_errors import masked_errors

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy

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


def is_database(uri: str) -> bool:
    """Return whether an address is a database.

    >>> is_database("postgresql+psycopg://host/shop#orders")
    True
    """
    return urlparse(uri).scheme.partition("+")[0] in DATABASES


@masked_errors()
def read(uri: str, exclude: Collection[str]) -> pd.DataFrame:
    """Read a table or the result of a query from a database.

    Parameters
    ----------
    uri : str
        Address of the database, with a table or a query after a ``#``.
    exclude : collection of str
        Columns not to read.

    Raises
    ------
    DataError
        If no table is named, a driver is missing, or the table cannot be read or has no rows.
    NameNotFound
        If there is no such table.
    """
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

        engine = sqlalchemy.create_engine(_resolve_sqlite_path(references.expand_address(address)))
        with engine.connect() as connection:
            is_query = re.match(r"\s*(select|with)\b", selection, re.IGNORECASE)
            statement = sqlalchemy.text(selection) if is_query else _select_table(connection, selection, uri)
            frame = pd.read_sql(statement, connection)
    except ImportError as error:
        raise DataError(f"{uri} needs a driver that is not installed ({error}). Install it with pip.") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise DataError(f"{uri} cannot be read: {get_first_line(error)}") from error
    if frame.empty:
        raise DataError(f"{uri} has {frame.shape[1]} columns and no rows. Give a table or query with rows.")
    frame = frame.loc[:, [name not in exclude for name in frame.columns]]
    frame, notes = _decode_byte_columns(frame)
    unique_names = deduplicate_names([normalize_name(name) for name in frame.columns])
    schema = infer_schema(pandas_conversion.pandas_to_arrow(frame.set_axis(unique_names, axis=1))).to_dict()
    frames.set_attrs(frame, notes, exclude, schema)
    return frame


def _decode_byte_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Decode columns of bytes as UTF-8, drop those that are not UTF-8, and return a note on each dropped column."""
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


def get_first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or [""])[0]
