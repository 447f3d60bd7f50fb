"""Parquet files as one Arrow table: columns by name, in types that all files agree in."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.errors import DataError

# What Hive and Spark call a folder of rows that lack the value.
_MISSING_FOLDER = "__HIVE_DEFAULT_PARTITION__"
# Two digits are a month or a day, zero before them or not.
_WHOLE = re.compile(r"\d\d?|-?[1-9]\d{0,17}")


def read(paths: Sequence[Path], without: Collection[str] = ()) -> tuple[pa.Table, list[str], list[str]]:
    """Rows of all files, one below the other; the names of all their columns; and what was left out, as sentences.

    Parameters
    ----------
    paths : sequence of Path
    without : collection of str
        Columns that are not read.

    Raises
    ------
    DataError
        Naming the file and the column.
    """
    folders = folder_values(paths)
    known: dict[str, None] = {}
    tables, notes = [], {}
    for place, path in enumerate(paths):
        names = names_in(path)
        known |= dict.fromkeys([*names, *folders])
        table = _table(path, [name for name in names if name not in without])
        table, said = of_plain_cells(table)
        notes |= dict.fromkeys(said)
        values = {name: column[place] for name, column in folders.items()}
        tables.append(with_folders(table, values, without=[*names, *without]))
    return _joined(paths, tables), list(known), list(notes)


def folder_values(paths: Sequence[Path]) -> dict[str, pa.Array]:
    """Columns that are in no file but in the names of its folders, as ``year=2024/``: Hive's and Spark's way.

    Each with a value for every file; texts where one of them would change as a whole number, as 01067 does.
    """
    found = [
        {name: unquote(value) for name, equals, value in (part.partition("=") for part in path.parts[-5:-1]) if equals}
        for path in paths
    ]
    columns = {}
    for name in dict.fromkeys(name for one in found for name in one):
        values = [one.get(name) for one in found]
        values = [None if value == _MISSING_FOLDER else value for value in values]
        are_whole = all(_WHOLE.fullmatch(value) for value in values if value is not None)
        texts = pa.array(values, pa.string())
        columns[name] = pc.cast(texts, pa.int64()) if are_whole else texts
    return columns


def with_folders(table: pa.Table, values: Mapping[str, pa.Scalar], without: Collection[str]) -> pa.Table:
    """Table with what the folders of its file are named by, less some columns."""
    for name, value in values.items():
        if name not in without:
            table = table.append_column(name, pa.repeat(value, len(table)))
    return table


def is_of_bytes(kind: pa.DataType) -> bool:
    """Whether values of a type are bytes, as some programs write texts."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def as_texts(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Texts that a column holds as bytes; None where these are no UTF-8."""
    try:
        return pc.cast(pc.cast(column, pa.binary()), pa.string())
    except pa.ArrowInvalid:
        return None


def names_in(path: Path) -> list[str]:
    """Names of a file's columns, each of which must be there once."""
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no whole Parquet file: {str(error).splitlines()[0]}") from error
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path} has {names.count(twice[0])} columns {twice[0]!r}. Rename all but one.")
    return names


def _table(path: Path, names: Sequence[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(names), partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no whole Parquet file: {str(error).splitlines()[0]}") from error


def of_plain_cells(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Table without columns whose cells are no single value, and a note on each."""
    notes = []
    for field in table.schema:
        why = ""
        if pa.types.is_nested(field.type):
            why = "its cells hold several values"
        elif is_of_bytes(field.type):
            texts = as_texts(table[field.name])
            if texts is None:
                why = "its cells hold bytes that are no text"
            else:
                table = table.set_column(table.column_names.index(field.name), field.name, texts)
        if why:
            table = table.drop_columns([field.name])
            notes.append(f"{field.name} is left out: {why}.")
    return table, notes


def _joined(paths: Sequence[Path], tables: list[pa.Table]) -> pa.Table:
    """Tables of all files in one, columns that a file lacks missing in its rows."""
    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        kinds = {
            path: table.schema.field(name).type
            for path, table in zip(paths, tables, strict=True)
            if name in table.column_names
        }
        kind = _common(list(kinds.values()))
        if kind is None:
            path, first = next(iter(kinds.items()))
            other, differing = next((one, other) for one, other in kinds.items() if other != first)
            raise DataError(f"{name} is {first} in {path} and {differing} in {other}. Write it in one type.")
        for place, table in enumerate(tables):
            if name in table.column_names and table.schema.field(name).type != kind:
                tables[place] = table.set_column(table.column_names.index(name), name, pc.cast(table[name], kind))
    return pa.concat_tables(tables, promote_options="permissive")


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    """Type that the values of all files can have, None where they are of different kinds."""
    present = [kind for kind in dict.fromkeys(kinds) if not pa.types.is_null(kind)]
    if len(present) < 2:
        return present[0] if present else kinds[0]
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in present]
    if all(map(_is_day_or_moment, plain)):
        return pa.timestamp("us")
    fields = [pa.schema([("column", kind)]) for kind in dict.fromkeys(plain)]
    try:
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def _is_day_or_moment(kind: pa.DataType) -> bool:
    return pa.types.is_date(kind) or pa.types.is_timestamp(kind) and kind.tz is None
