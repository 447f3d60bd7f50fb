"""Parquet files as one Arrow table: columns matched by name, each in a type that fits all files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.errors import DataError
from lib.tables.column_names import normalize_name

# Hive's and Spark's folder name for a null partition value.
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
# One or two digits may be a month or a day, with or without a leading zero. Other leading zeros make a code.
_INTEGER = re.compile(r"\d\d?|-?[1-9]\d{0,17}")


def read(paths: Sequence[Path], exclude: Collection[str] = ()) -> tuple[pa.Table, list[str], list[str]]:
    """Read Parquet files as one table.

    Parameters
    ----------
    paths : sequence of Path
    exclude : collection of str
        Columns not to read.

    Returns
    -------
    table : pyarrow.Table
        Columns that a file lacks are null in its rows.
    column_names : list of str
        All column names, including those of excluded columns.
    notes : list of str
        Sentences about columns that cannot be read.

    Raises
    ------
    DataError
        If a file cannot be read, or a column has conflicting types. The message names the file and the column.
    """
    partitions = parse_partition_columns(paths)
    all_names: dict[str, None] = {}
    tables: list[pa.Table] = []
    notes: dict[str, None] = {}
    for index, path in enumerate(paths):
        names = {name: normalize_name(name) for name in read_column_names(path)}
        all_names |= dict.fromkeys([*names.values(), *partitions])
        kept = [name for name, normalized in names.items() if normalized not in exclude]
        table, file_notes = keep_scalar_columns(_read_file(path, kept))
        if any(names[name] != name for name in table.column_names):  # renaming loses pandas' own types and its index
            table = table.rename_columns([names[name] for name in table.column_names])
        notes |= dict.fromkeys(file_notes)
        values = {name: column[index] for name, column in partitions.items()}
        tables.append(add_partition_columns(table, values, exclude=[*names.values(), *exclude]))
    return _concatenate(paths, tables), list(all_names), list(notes)


def parse_partition_columns(paths: Sequence[Path]) -> dict[str, pa.Array]:
    """Return the columns encoded in folder names such as ``year=2024``, as Hive and Spark write them.

    Returns
    -------
    dict of str to Array of shape (n_files,)
        Integers if all values of a column are integers; strings if one is a code such as 01067.

    Examples
    --------
    >>> parse_partition_columns([Path("sales/year=2024/part-0.parquet")])["year"].to_pylist()
    [2024]
    """
    folders = [
        {name: unquote(value) for name, equals, value in (part.partition("=") for part in path.parts[-5:-1]) if equals}
        for path in paths
    ]
    columns = {}
    for name in dict.fromkeys(name for values in folders for name in values):
        texts = [values.get(name) for values in folders]
        texts = [None if text == _NULL_PARTITION else text for text in texts]
        are_integers = all(_INTEGER.fullmatch(text) for text in texts if text is not None)
        column = pa.array(texts, pa.string())
        columns[name] = pc.cast(column, pa.int64()) if are_integers else column
    return columns


def add_partition_columns(table: pa.Table, values: Mapping[str, pa.Scalar], exclude: Collection[str]) -> pa.Table:
    """Append a constant column for each partition value, except for excluded columns."""
    for name, value in values.items():
        if name not in exclude:
            table = table.append_column(name, pa.repeat(value, len(table)))
    return table


def is_binary(arrow_type: pa.DataType) -> bool:
    """Return whether a type holds bytes, in which some programs store text."""
    return (
        pa.types.is_binary(arrow_type)
        or pa.types.is_large_binary(arrow_type)
        or pa.types.is_fixed_size_binary(arrow_type)
    )


def decode_utf8(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Return a column of bytes as strings, or None if it is not UTF-8."""
    try:
        return pc.cast(pc.cast(column, pa.binary()), pa.string())
    except pa.ArrowInvalid:
        return None


def is_utf8(file: pq.ParquetFile, name: str) -> bool:
    """Return whether a column of bytes is UTF-8 in every batch, so that all batches get the same type."""
    return all(decode_utf8(batch[name]) is not None for batch in file.iter_batches(columns=[name]))


def damaged_file_error(path: Path, error: Exception) -> DataError:
    """Return the error for a Parquet file that pyarrow cannot read."""
    reason = str(error).splitlines()[0]
    return DataError(f"{path} is not a complete Parquet file: {reason.rstrip('.')}. Export or copy it again.")


def read_column_names(path: Path) -> list[str]:
    """Return the column names of a file.

    Raises
    ------
    DataError
        If a name is repeated, or the file is damaged.
    """
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise damaged_file_error(path, error) from error
    normalized = [normalize_name(name) for name in names]
    repeated = sorted(name for name, count in Counter(normalized).items() if count > 1)
    if repeated:
        raise DataError(
            f"{path} has {normalized.count(repeated[0])} columns named {repeated[0]!r}. Rename all but one."
        )
    return names


def _read_file(path: Path, names: Sequence[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(names), partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise damaged_file_error(path, error) from error


def keep_scalar_columns(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Drop columns whose cells are lists, structs or bytes that are not text, and return a note on each."""
    notes = []
    table = write_times_as_text(table)
    for field in table.schema:
        reason = ""
        if pa.types.is_nested(field.type):
            reason = "its cells contain several values"
        elif is_binary(field.type):
            texts = decode_utf8(table[field.name])
            if texts is None:
                reason = "its cells contain bytes that are not text"
            else:
                table = table.set_column(table.column_names.index(field.name), field.name, texts)
        if reason:
            table = table.drop_columns([field.name])
            notes.append(f"{field.name} is left out: {reason}.")
    return table, notes


def write_times_as_text(table: pa.Table) -> pa.Table:
    """Convert times of day to texts such as ``08:30:00``, as text files have them."""
    for position, field in enumerate(table.schema):
        if pa.types.is_time(field.type):
            texts = pc.replace_substring_regex(pc.cast(table[position], pa.string()), r"\.0+$", "")
            table = table.set_column(position, field.name, texts)
    return table


def _concatenate(paths: Sequence[Path], tables: list[pa.Table]) -> pa.Table:
    """Concatenate the tables of all files, casting columns to common types."""
    types = find_common_types(paths, [table.schema for table in tables])
    return pa.concat_tables([cast_columns(table, types) for table in tables], promote_options="permissive")


def find_common_types(paths: Sequence[Path], schemas: Sequence[pa.Schema]) -> dict[str, pa.DataType]:
    """Return the type of each column that fits the column's values in all files.

    Raises
    ------
    DataError
        If a column is of different kinds in two files.
    """
    types_by_column: dict[str, dict[Path, pa.DataType]] = {}
    for path, schema in zip(paths, schemas, strict=True):
        for field in schema:
            types_by_column.setdefault(field.name, {})[path] = field.type
    common = {}
    for name, types in types_by_column.items():
        common_type = _find_common_type(list(types.values()))
        if common_type is None:
            first_path, first_type = next(iter(types.items()))
            path, other_type = next((path, other) for path, other in types.items() if other != first_type)
            raise DataError(
                f"Column {name!r} is {first_type} in {first_path} but {other_type} in {path}. Write it in one type."
            )
        common[name] = common_type
    return common


def cast_columns(table: pa.Table, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return a table whose columns are cast to the given types; types of columns that it lacks are ignored."""
    for index, field in enumerate(table.schema):
        if field.type != types.get(field.name, field.type):
            table = table.set_column(index, field.name, pc.cast(table[field.name], types[field.name]))
    return table


def _find_common_type(types: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return the type that fits a column's values in all files, or None if they are of different kinds."""
    known_types = [arrow_type for arrow_type in dict.fromkeys(types) if not pa.types.is_null(arrow_type)]
    if len(known_types) < 2:
        return known_types[0] if known_types else types[0]
    value_types = [
        arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type for arrow_type in known_types
    ]
    if all(map(_is_date_or_naive_timestamp, value_types)):
        return pa.timestamp("us")
    schemas = [pa.schema([("column", arrow_type)]) for arrow_type in dict.fromkeys(value_types)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def _is_date_or_naive_timestamp(arrow_type: pa.DataType) -> bool:
    return pa.types.is_date(arrow_type) or (pa.types.is_timestamp(arrow_type) and arrow_type.tz is None)
