"""Reading of text and Parquet files into pandas."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lib.errors import DataError, NameNotFound
from lib.schema.table_schema import DATETIME, TableSchema
from lib.tables.column_names import normalize_name
from lib.tables.detect.mixed_formats import describe_mixed_columns
from lib.tables.detect.schema_inference import infer_schema
from lib.tables.files import parquet, text
from lib.tables.files.categoricals import is_dictionary_encoded
from lib.tables.files.file_types import PARQUET_SUFFIXES, check_file
from lib.tables.files.pandas_conversion import arrow_to_pandas, convert_periods_and_intervals
from lib.tables.files.parquet_writer import ROW_GROUP_ROWS
from lib.tables.notes import merge_repeated
from lib.tables.schema_source import SchemaSource

# Keys of a frame's `attrs`: sentences about how the table was read, the excluded columns, and the table's schema.
NOTES, UNREAD, SCHEMA = "notes", "unread", "schema"
_FEW_CATEGORIES = 20
_MAX_LISTED_TEXTS = 5


class _SharedDict(dict[str, Any]):
    """A dictionary for a frame's ``attrs`` that all copies of the frame share. It must not be changed.

    pandas copies ``attrs`` deeply with every column that it takes from a frame. The schema of a table of thousands of
    columns has thousands of entries: https://github.com/pandas-dev/pandas/pull/55314.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> _SharedDict:
        return self


class _SharedList(list[str]):
    """A list for a frame's ``attrs`` that all copies of the frame share. It must not be changed."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _SharedList:
        return self


def read(
    path: Path | Sequence[Path],
    exclude: Collection[str] = (),
    arrow_strings: bool = False,
    encoding: str = "",
    schema_source: SchemaSource | None = None,
) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : Path or sequence of Path
        Parquet files, or text files (``.csv``, ``.tsv``, ``.txt``, also compressed as ``.gz`` or ``.zip``), whose
        encoding, separator and number formats are detected.
    exclude : collection of str
        Columns not to read.
    arrow_strings : bool
        Whether text columns use pandas' Arrow-backed strings, or categories if values repeat, instead of Python
        objects, which take more memory and time.
    encoding : str
        Python name of the encoding of text files; detected if empty.
    schema_source : SchemaSource, optional
        The stored schema, if there is one, and the parameters that describe the table; without a stored schema, it is
        inferred.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Column names have no surrounding spaces. ``attrs["notes"]`` are sentences about how the table was read,
        ``attrs["unread"]`` the excluded columns, and ``attrs["schema"]`` the table's schema as JSON types.

    Raises
    ------
    DataError
        If a file cannot be read. The message names the file and, if possible, the line.
    NameNotFound
        If an excluded column does not exist.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    source = schema_source or SchemaSource()
    for file in paths:
        check_file(file)
    if source.stored is not None:
        return _read_by_schema(source.change(source.stored), paths, exclude, arrow_strings, encoding)
    if paths[0].suffix.lower() in PARQUET_SUFFIXES:
        table, column_names, notes = parquet.read(paths, exclude)
        user_categories = {field.name for field in table.schema if pa.types.is_dictionary(field.type)}
        schema = infer_schema(table, month_first=source.month_first)
    else:
        table, column_names, notes, schema = text.read(
            paths, exclude, arrow_strings, encoding, source.header, source.month_first
        )
        user_categories = set()
        if folder_names := [name for name in parquet.parse_partition_columns(paths) if name not in column_names]:
            notes.append(
                f"Folder names ({', '.join(folder_names)}) become columns of Parquet files only, not of text files."
            )
    notes += _describe_unreadable_dates(schema)
    for name in exclude:
        if name not in column_names:
            raise NameNotFound("column", name, column_names, where=f"{paths[0]} (drop_columns)")
    if table.num_rows == 0:
        raise DataError(f"{paths[0]} has a header of {len(column_names)} columns and no rows. Give a table with rows.")
    if source.changes_schema:
        del table
        changed = source.change(schema, unread=exclude)
        return _read_by_schema(changed, paths, exclude, arrow_strings, encoding, tuple(notes))
    notes += describe_mixed_columns(table, schema, " ".join(notes))
    only_reference = [table]
    del table  # `arrow_to_pandas` frees each column after its conversion, unless someone else holds the table
    frame = arrow_to_pandas(only_reference.pop(), arrow_strings, user_categories)
    frame.columns = [normalize_name(name) for name in frame.columns]
    frame = convert_periods_and_intervals(frame)
    set_attrs(frame, notes, exclude, schema.to_dict())
    return frame


def _describe_unreadable_dates(schema: TableSchema) -> list[str]:
    """Return a sentence for each date column in which some texts are not dates."""
    notes = []
    for name, column in schema.columns.items():
        if column.kind == DATETIME and column.missing_values:
            listed = ", ".join(map(repr, column.missing_values[:_MAX_LISTED_TEXTS]))
            more = ", ..." if len(column.missing_values) > _MAX_LISTED_TEXTS else ""
            is_single = len(column.missing_values) == 1
            verbs = "is not a date and counts" if is_single else "are not dates and count"
            notes.append(f"{name}: {listed}{more} {verbs} as missing.")
        elif column.kind == DATETIME and column.unreadable_as_missing:
            notes.append(f"{name}: texts that are not dates count as missing.")
    return notes


def _read_by_schema(
    schema: TableSchema,
    paths: Sequence[Path],
    exclude: Collection[str],
    arrow_strings: bool,
    encoding: str,
    notes: Sequence[str] = ("Read by its table schema.",),
) -> pd.DataFrame:
    """Read a table by its schema; values that do not fit the schema raise a DataError."""
    from lib.tables import schema_reader

    required = [name for name in schema.required_columns if name not in exclude]
    if paths[0].suffix.lower() in PARQUET_SUFFIXES:
        table, _, file_notes = parquet.read(paths, exclude)
        schema_reader.check_columns(paths[0], table.column_names, required)
        batches = iter([schema_reader.apply_schema(schema, table, first_row=0)])
    else:
        file_notes = list[str]()
        batches = schema_reader.read(schema, paths, ROW_GROUP_ROWS, required, encoding, notes=file_notes)
    table, fault_notes = schema_reader.collect(batches, paths, exclude)
    fault_notes += describe_mixed_columns(table, schema, " ".join(notes))
    only_reference = [table]
    del table
    frame = convert_periods_and_intervals(arrow_to_pandas(only_reference.pop(), arrow_strings))
    all_notes = list(dict.fromkeys([*notes, *merge_repeated(file_notes), *fault_notes]))
    set_attrs(frame, all_notes, exclude, schema.to_dict())
    return frame


def set_attrs(frame: pd.DataFrame, notes: Sequence[str], unread: Collection[str], schema: Mapping[str, Any]) -> None:
    """Store in a frame's ``attrs`` how the table was read.

    Parameters
    ----------
    frame : DataFrame
    notes : sequence of str
        Sentences about how the table was read.
    unread : collection of str
        Columns that were not read.
    schema : mapping
        The table's schema as JSON types.
    """
    frame.attrs.update({NOTES: _SharedList(notes), UNREAD: _SharedList(unread), SCHEMA: _SharedDict(schema)})


def count_values(values: pd.Series) -> pd.Series:
    """Count each value, the most frequent first. Unused categories and missing values are left out.

    >>> count_values(pd.Series(["a", "b", "a"])).to_dict()
    {'a': 2, 'b': 1}
    """
    if is_dictionary_encoded(values) and len(values.cat.categories) <= _FEW_CATEGORIES:
        codes, categories = values.array.codes, values.cat.categories
        counted = np.array([np.count_nonzero(codes == code) for code in range(len(categories))], dtype=int)
        order = np.argsort(-counted, kind="stable")
        counts = pd.Series(counted[order], index=categories[order])
    else:
        counts = values.value_counts()
    return counts if counts.all() else counts[counts > 0]


def to_strings(values: pd.Series) -> pd.Series:
    """Convert a column to strings, missing values included. Text columns are returned unchanged."""
    if isinstance(values.dtype, pd.StringDtype) or is_dictionary_encoded(values):
        return values
    return values.astype(str)


def get_column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """Return a column by its name.

    Parameters
    ----------
    frame : DataFrame
    name : str
    where : str
        Description of the table, for messages.

    Raises
    ------
    NameNotFound
        If there is no such column. The message suggests the nearest name.
    DataError
        If several columns have the name.
    """
    if name not in frame.columns and frame.shape[1] == 1 and name in str(frame.columns[0]):
        raise DataError(
            f"{where} has no column {name!r}, only the column {frame.columns[0]!r}. Perhaps the separator was "
            "not recognized: use commas, semicolons, tabs, pipes or spaces."
        )
    if name not in frame.columns:
        raise NameNotFound("column", name, frame.columns, where=where)
    values = frame[name]
    if isinstance(values, pd.DataFrame):
        positions = [str(index + 1) for index, other in enumerate(frame.columns) if other == name]
        raise DataError(
            f"{where} has {len(positions)} columns named {name!r}: columns "
            f"{' and '.join(positions)}. Rename all but one."
        )
    return values
