"""Reading of text and Parquet files into pandas, and writing of Parquet files."""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib import cores
from lib.errors import DataError, NameNotFound
from lib.schema.number_parsing import MAX_EXACT_INTEGER
from lib.schema.table_schema import DATETIME, TableSchema
from lib.schema.time_zones import protect_distant_times
from lib.tables.column_names import normalize_name
from lib.tables.detect.mixed_formats import describe_mixed_columns
from lib.tables.detect.schema_inference import infer_schema
from lib.tables.files import arrow_numpy, parquet, text
from lib.tables.files.categoricals import ENCODED_TEXT, dictionary_values, is_repetitive, is_text
from lib.tables.files.file_types import PARQUET_SUFFIXES, check_file
from lib.tables.notes import merge_repeated
from lib.tables.schema_source import SchemaSource
from lib.tables.shared_attrs import SharedDict, SharedList

# Keys of a frame's attrs: sentences about how it was read, the columns that were excluded, and the table's schema.
NOTES, UNREAD, SCHEMA = "notes", "unread", "schema"
ROW_GROUP_ROWS = 2**18
ARROW_STRING = pd.StringDtype("pyarrow", na_value=np.nan)
_CONVERSION_BYTES = 2**23
# Larger dictionaries take more memory as Python objects than they save.
_MAX_DICTIONARY_SIZE, _MIN_ROWS_PER_ENTRY = 10_000, 20
_FEW_CATEGORIES = 20
_MAX_LISTED_TEXTS = 5


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
        objects. Takes a fraction of the memory and time.
    encoding : str
        Python name of the encoding of text files; detected if empty.
    schema_source : SchemaSource, optional
        How the table is read, as far as it is known; the rest is inferred.

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
        if folder_names := [name for name in parquet.partition_columns(paths) if name not in column_names]:
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
    """Return a sentence for each column of dates in which some texts are not dates."""
    notes = []
    for name, column in schema.columns.items():
        if column.kind == DATETIME and column.missing_values:
            listed = ", ".join(map(repr, column.missing_values[:_MAX_LISTED_TEXTS]))
            more = ", ..." if len(column.missing_values) > _MAX_LISTED_TEXTS else ""
            is_single = len(column.missing_values) == 1
            verbs = "is not a date, and counts" if is_single else "are not dates, and count"
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
    """Read a table by its schema; values that do not fit are errors."""
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
    """Keep in a frame's ``attrs`` how it was read.

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
    frame.attrs.update({NOTES: SharedList(notes), UNREAD: SharedList(unread), SCHEMA: SharedDict(schema)})


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as a Parquet file, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")  # another run may write the same rows
    table = pandas_to_arrow(frame)
    # Mark columns without nulls as non-nullable, so that Parquet skips definition levels.
    schema = pa.schema(
        [
            field.with_nullable(table[field.name].null_count > 0 or pa.types.is_null(field.type))
            for field in table.schema
        ]
    )
    with pq.ParquetWriter(temporary, schema, store_schema=False, **_writer_options(schema)) as writer:
        writer.add_key_value_metadata({"ARROW:schema": _serialize_logical_schema(table.schema, frame)})
        writer.write_table(pa.Table.from_arrays(table.columns, schema=schema), row_group_size=ROW_GROUP_ROWS)
    temporary.replace(path)


def _writer_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the encoding and compression of each column.

    Numbers rarely repeat, so only other columns use dictionaries. Integers compress well as differences; floats hardly
    compress at all.
    """
    integers = [field.name for field in schema if pa.types.is_integer(field.type)]
    return {
        "use_dictionary": [
            field.name
            for field in schema
            if not arrow_numpy.is_number(field.type) and not pa.types.is_temporal(field.type)
        ],
        "column_encoding": dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
        "compression": {
            field.name: "none" if arrow_numpy.is_number(field.type) else "lz4"
            for field in schema
            if not pa.types.is_nested(field.type)
        },
        "write_statistics": False,
    }


def _serialize_logical_schema(schema: pa.Schema, frame: pd.DataFrame) -> bytes:
    """Return the schema for readers: dictionary-encoded text is text, since the encoding only saves memory here."""
    fields = [field.with_type(pa.string()) if is_dictionary_encoded(frame[field.name]) else field for field in schema]
    return base64.b64encode(pa.schema(fields).serialize())


def pandas_to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Convert a frame to Arrow. Columns of mixed or unsupported types become text."""
    arrays = {}
    for name in frame.columns:
        values = frame[name]
        if values.dtype in (np.float64, np.float32):
            numbers = np.ascontiguousarray(values.to_numpy())
            arrays[name] = arrow_numpy.to_arrow_array(numbers, ~np.isnan(numbers))
            continue
        try:
            arrays[name] = pa.array(values, from_pandas=True)
            if isinstance(getattr(arrays[name].type, "value_type", None), pa.BaseExtensionType):
                raise pa.ArrowTypeError("Parquet does not support interval categories")
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            texts = values.astype(object).map(str, na_action="ignore")
            arrays[name] = pa.array(texts, type=pa.string(), from_pandas=True)
    return pa.table(arrays)


def is_dictionary_encoded(values: pd.Series) -> bool:
    """Return whether a column is text that Millrace stores as categories to save memory.

    The categories of such a column are Arrow-backed strings. Categories that a user declared are objects.
    """
    return isinstance(values.dtype, pd.CategoricalDtype) and isinstance(values.dtype.categories.dtype, pd.StringDtype)


def decode_dictionary(values: pd.Series) -> pd.Series:
    """Convert a dictionary-encoded column to Arrow-backed strings."""
    texts = pc.cast(pa.array(values, from_pandas=True), pa.string())
    return texts.to_pandas(types_mapper={pa.string(): ARROW_STRING}.get).set_axis(values.index).rename(values.name)


def count_values(values: pd.Series) -> pd.Series:
    """Count each value, the most frequent first. Unused categories and missing values are left out.

    >>> count_values(pd.Series(["a", "b", "a"])).to_dict()
    {'a': 2, 'b': 1}
    """
    if is_dictionary_encoded(values) and len(values.cat.categories) <= _FEW_CATEGORIES:
        codes, categories = values.array.codes, values.cat.categories
        counts = pd.Series(
            [np.count_nonzero(codes == code) for code in range(len(categories))], index=categories, dtype=int
        ).sort_values(ascending=False, kind="stable")
    else:
        counts = values.value_counts()
    return counts[counts > 0]


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
            f"{where} has no column {name!r}, only the column {frame.columns[0]!r}. Perhaps its separator was not "
            "recognized: use commas, semicolons, tabs, pipes or spaces."
        )
    if name not in frame.columns:
        raise NameNotFound("column", name, frame.columns, where=where)
    values = frame[name]
    if isinstance(values, pd.DataFrame):
        positions = [str(index + 1) for index, other in enumerate(frame.columns) if other == name]
        raise DataError(
            f"{where} has {len(positions)} columns {name!r} (columns {' and '.join(positions)}). Rename all but one."
        )
    return values


def arrow_to_pandas(
    table: pa.Table, arrow_strings: bool = False, user_categories: Collection[str] = ()
) -> pd.DataFrame:
    """Convert a table to pandas, freeing its memory piece by piece.

    The caller must hold no other reference to the table: the frame takes over some of its memory and may write to it.

    Parameters
    ----------
    table : Table
    arrow_strings : bool
        Whether text becomes Arrow-backed strings, or categories of them if values repeat.
    user_categories : collection of str
        Columns that were written as categories: they keep ordinary objects as categories.
    """
    types_mapper = {pa.string(): ARROW_STRING}.get if arrow_strings else None
    table, encoded = _encode_texts(table, user_categories) if arrow_strings else (table, set())
    table = _stringify_inexact_integers(table)
    convert = _convert_with_pandas_metadata if b"pandas" in (table.schema.metadata or {}) else _convert_piecewise
    only_reference = [table]
    del table  # the converters free each column after its conversion
    frame = protect_distant_times(_make_writable(convert(only_reference, encoded, types_mapper)))
    pa.default_memory_pool().release_unused()
    # A named index was a column of the written table; an unnamed one is the row number.
    named_levels = [name for name in frame.index.names if name is not None]
    if named_levels:
        return frame.reset_index(level=named_levels).reset_index(drop=True)
    frame.index = pd.RangeIndex(len(frame))  # unlike reset_index, this does not copy the table
    return frame


def _encode_texts(table: pa.Table, user_categories: Collection[str]) -> tuple[pa.Table, set[int]]:
    """Dictionary-encode repetitive text columns, and return the indices of all encoded columns."""
    indices = [
        index for index, field in enumerate(table.schema) if is_text(field.type) and field.name not in user_categories
    ]
    columns = dict(zip(indices, cores.map_threads(_encode_if_repetitive, map(table.column, indices)), strict=True))
    encoded = {index for index in indices if columns[index].type == ENCODED_TEXT}
    for index in indices:
        table = table.set_column(index, table.schema.field(index).name, columns.pop(index))
    return table, encoded


def _encode_if_repetitive(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a text column with one dictionary for all chunks if that is small, else as plain strings."""
    if values.type != ENCODED_TEXT:
        return values.dictionary_encode() if pa.types.is_string(values.type) and is_repetitive(values) else values
    values = values.unify_dictionaries()
    max_size = max(_MAX_DICTIONARY_SIZE, len(values) // _MIN_ROWS_PER_ENTRY)
    return pc.cast(values, pa.string()) if len(dictionary_values(values)) > max_size else values


def _stringify_inexact_integers(table: pa.Table) -> pa.Table:
    """Convert integer columns with nulls to text if float64, which pandas would use, cannot represent them."""
    for index, field in enumerate(table.schema):
        if not pa.types.is_integer(field.type):
            continue
        values = table.column(index)
        if values.null_count and max(np.abs(arrow_numpy.min_max(values))) >= MAX_EXACT_INTEGER:
            table = table.set_column(index, field.name, pc.cast(values, pa.string()))
    return table


def _convert_with_pandas_metadata(
    only_reference: list[pa.Table], encoded: Collection[int], types_mapper: Any
) -> pd.DataFrame:
    """Convert a table that pandas wrote, restoring its index and pandas' own types.

    Parameters
    ----------
    only_reference : list of one Table
        Emptied, so that the caller does not keep the table alive.
    encoded : collection of int
        Indices of dictionary-encoded text columns.
    types_mapper : callable or None
        See `pyarrow.Table.to_pandas`.
    """
    table = only_reference.pop()
    names = table.column_names
    if len(set(names)) < len(names):
        table = table.rename_columns([str(index) for index in range(len(names))])
    frame = table.to_pandas(split_blocks=True, self_destruct=True, types_mapper=types_mapper)
    for index in encoded:
        values = frame.iloc[:, index]
        frame.isetitem(index, values.cat.rename_categories(values.cat.categories.astype(ARROW_STRING)))
    return frame


def _convert_piecewise(only_reference: list[pa.Table], encoded: Collection[int], types_mapper: Any) -> pd.DataFrame:
    """Convert a table some rows or columns at a time, freeing them before the next are converted.

    The parameters are those of `_convert_with_pandas_metadata`.
    """
    table = only_reference.pop()
    names = table.column_names
    dictionaries = {index: dictionary_values(table.column(index)) for index in encoded}
    zero_copy = arrow_numpy.zero_copy_arrays(table)
    columns: dict[int, Any] = dict(arrow_numpy.allocate_arrays(table, exclude=zero_copy, encoded=encoded))
    batches = table.select(list(columns)).to_batches() if columns else []
    other_indices = [index for index in range(len(names)) if index not in columns and index not in zero_copy]
    table = table.select(other_indices)
    arrow_numpy.move_batches(batches, columns)
    columns |= zero_copy
    for index, dictionary in dictionaries.items():
        categories = pd.Index(dictionary.to_pandas(types_mapper=types_mapper))
        columns[index] = pd.Categorical.from_codes(columns[index], categories, validate=False)
    while other_indices:
        # As many columns as fit into _CONVERSION_BYTES at 8 bytes a value, but at least one for each core.
        count = max(cores.available(), _CONVERSION_BYTES // (8 * table.num_rows + 1))
        arrow_columns = table.columns[:count]
        table = table.select(range(len(arrow_columns), table.num_columns))
        converted = cores.map_threads(lambda column: column.to_pandas(types_mapper=types_mapper), arrow_columns)
        columns |= zip(other_indices, converted, strict=False)
        other_indices = other_indices[len(converted) :]
        del arrow_columns, converted
        pa.default_memory_pool().release_unused()
    # A header may repeat a name: build the frame by index, then name its columns.
    frame = pd.DataFrame({index: columns[index] for index in range(len(names))}, copy=False)
    frame.columns = names
    return frame


def convert_periods_and_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert periods (``2024-03``) to their first moment, and intervals to text."""
    for index, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, pd.PeriodDtype):
            frame.isetitem(index, frame.iloc[:, index].dt.to_timestamp())
        elif isinstance(dtype, pd.IntervalDtype):
            frame.isetitem(index, frame.iloc[:, index].astype(object).map(str, na_action="ignore"))
    return frame


def _make_writable(frame: pd.DataFrame) -> pd.DataFrame:
    """Copy read-only columns, which share Arrow's memory, so that a pipeline may change the frame."""
    columns, is_changed = {}, False
    for index, dtype in enumerate(frame.dtypes):
        columns[index] = values = frame.iloc[:, index]
        if isinstance(dtype, np.dtype) and not values.to_numpy(copy=False).flags.writeable:
            columns[index], is_changed = values.copy(), True
    return pd.DataFrame(columns, copy=False).set_axis(frame.columns, axis=1) if is_changed else frame
