"""Conversion of tables between Arrow and pandas, in little memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lib import cores
from lib.schema.number_parsing import MAX_EXACT_INTEGER
from lib.schema.time_zones import protect_distant_times
from lib.tables.files import arrow_numpy
from lib.tables.files.categoricals import ARROW_STRING, ENCODED_TEXT, get_dictionary_values, is_repetitive, is_text

_CONVERSION_BYTES = 2**23
# Larger dictionaries take more memory as Python objects than they save.
_MAX_DICTIONARY_SIZE, _MIN_ROWS_PER_ENTRY = 10_000, 20


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
        Columns that the user wrote as categories. Their categories stay Python objects.
    """
    types_mapper = {pa.string(): ARROW_STRING}.get if arrow_strings else None
    table, dictionary_indices = _encode_texts(table, user_categories) if arrow_strings else (table, set())
    table = _stringify_inexact_integers(table)
    convert = _convert_with_pandas_metadata if b"pandas" in (table.schema.metadata or {}) else _convert_piecewise
    only_reference = [table]
    del table  # the converters free each column after its conversion
    frame = protect_distant_times(_make_writable(convert(only_reference, dictionary_indices, types_mapper)))
    pa.default_memory_pool().release_unused()
    # A named index was a column of the written table; an unnamed one is the row number.
    named_levels = [name for name in frame.index.names if name is not None]
    if named_levels:
        return frame.reset_index(level=named_levels).reset_index(drop=True)
    frame.index = pd.RangeIndex(len(frame))  # unlike reset_index, this does not copy the table
    return frame


def _encode_texts(table: pa.Table, user_categories: Collection[str]) -> tuple[pa.Table, set[int]]:
    """Dictionary-encode repetitive text columns, and return the indices of all dictionary columns."""
    indices = [
        index for index, field in enumerate(table.schema) if is_text(field.type) and field.name not in user_categories
    ]
    columns = dict(zip(indices, cores.map_threads(_encode_if_repetitive, map(table.column, indices)), strict=True))
    dictionary_indices = {index for index in indices if columns[index].type == ENCODED_TEXT}
    for index in indices:
        table = table.set_column(index, table.schema.field(index).name, columns.pop(index))
    return table, dictionary_indices


def _encode_if_repetitive(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a text column with one dictionary for all chunks if the dictionary is small, else as plain strings."""
    if values.type != ENCODED_TEXT:
        return values.dictionary_encode() if pa.types.is_string(values.type) and is_repetitive(values) else values
    values = values.unify_dictionaries()
    max_size = max(_MAX_DICTIONARY_SIZE, len(values) // _MIN_ROWS_PER_ENTRY)
    return pc.cast(values, pa.string()) if len(get_dictionary_values(values)) > max_size else values


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
    only_reference: list[pa.Table], dictionary_indices: Collection[int], types_mapper: Any
) -> pd.DataFrame:
    """Convert a table that pandas wrote, and restore the frame's index and pandas' own types.

    Parameters
    ----------
    only_reference : list of one Table
        Is emptied, so that the caller does not keep the table alive.
    dictionary_indices : collection of int
        Indices of dictionary-dictionary_indices text columns.
    types_mapper : callable or None
        See `pyarrow.Table.to_pandas`.
    """
    table = only_reference.pop()
    names = table.column_names
    if len(set(names)) < len(names):
        table = table.rename_columns([str(index) for index in range(len(names))])
    frame = table.to_pandas(split_blocks=True, self_destruct=True, types_mapper=types_mapper)
    for index in dictionary_indices:
        values = frame.iloc[:, index]
        frame.isetitem(index, values.cat.rename_categories(values.cat.categories.astype(ARROW_STRING)))
    return frame


def _convert_piecewise(
    only_reference: list[pa.Table], dictionary_indices: Collection[int], types_mapper: Any
) -> pd.DataFrame:
    """Convert a table some rows or columns at a time, and free these before the next ones are converted.

    The parameters are those of `_convert_with_pandas_metadata`.
    """
    table = only_reference.pop()
    names = table.column_names
    dictionaries = {index: get_dictionary_values(table.column(index)) for index in dictionary_indices}
    zero_copy = arrow_numpy.zero_copy_arrays(table)
    columns: dict[int, Any] = dict(
        arrow_numpy.allocate_arrays(table, exclude=zero_copy, dictionary_indices=dictionary_indices)
    )
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
