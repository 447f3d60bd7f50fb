"""Conversion of numeric and dictionary columns from Arrow to NumPy, with bounded memory.

A reader's record batch holds the columns of some rows in adjacent memory, which is freed only when all of its columns
are released. Converting column by column would keep every batch alive until the end, so batches are converted one
after the other instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from lib.tables.files.categoricals import get_dictionary_values

_BYTES_PER_RELEASE = 2**24
# Reserve for a wrong estimate of the number of rows. The operating system provides only memory that is written to.
_RESERVE_FACTOR, _MIN_RESERVE_ROWS = 1.05, 1_024


def is_number(arrow_type: pa.DataType) -> bool:
    """Return whether a type is an integer or a floating point type."""
    return pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type)


def min_max(column: pa.ChunkedArray) -> tuple[float, float]:
    """Return the smallest and largest number of a column, or (0, 0) if it has none. NaN and null are ignored.

    >>> min_max(pa.chunked_array([[3, None], [1, 2]]))
    (1.0, 3.0)
    """
    chunks = [chunk.drop_null().to_numpy() for chunk in column.chunks if chunk.null_count < len(chunk)]
    if not chunks:
        return 0.0, 0.0
    smallest = np.fmin.reduce([np.fmin.reduce(chunk) for chunk in chunks])
    largest = np.fmax.reduce([np.fmax.reduce(chunk) for chunk in chunks])
    return float(smallest), float(largest)


class RowAccumulator:
    """A growing table. Numbers are copied, so that a reader may reuse the memory of appended rows."""

    def __init__(self) -> None:
        self._row_count, self._capacity = 0, 0
        self._numbers: dict[str, np.ndarray] = {}
        self._validity: dict[str, np.ndarray] = {}  # of number columns that contain a null
        self._column_names: list[str] = []
        self._other_columns: list[pa.Table] = []

    def append(self, rows: pa.Table, read_share: float) -> None:
        """Append rows, which have the same columns as earlier rows.

        Parameters
        ----------
        rows : Table
        read_share : float
            Estimated fraction (0 to 1) of all rows that are in the table once these have been appended.
        """
        if not self._other_columns:
            self._column_names = rows.column_names
            dtypes = {field.name: field.type.to_pandas_dtype() for field in rows.schema if is_number(field.type)}
            self._numbers = {name: np.empty(0, dtype=dtype) for name, dtype in dtypes.items()}
        start, self._row_count = self._row_count, self._row_count + len(rows)
        if self._row_count > self._capacity:
            self._grow(start, read_share)
        for name, values in zip(rows.column_names, rows.columns, strict=True):
            if name not in self._numbers:
                continue
            array = self._numbers[name]
            if values.null_count and name not in self._validity:
                self._validity[name] = self._enlarge(np.ones(start, dtype=bool))
            if name in self._validity:
                self._validity[name][start : self._row_count] = values.is_valid()
            if values.null_count:
                values = values.fill_null(np.nan if array.dtype.kind == "f" else 0)
            array[start : self._row_count] = values
        self._other_columns.append(rows.select([name for name in rows.column_names if name not in self._numbers]))

    def _grow(self, used_rows: int, read_share: float) -> None:
        """Enlarge all arrays to the expected number of rows."""
        self._capacity = int(self._row_count / read_share * _RESERVE_FACTOR) + _MIN_RESERVE_ROWS
        for arrays in (self._numbers, self._validity):
            for name in arrays:
                arrays[name] = self._enlarge(arrays[name][:used_rows])

    def _enlarge(self, array: np.ndarray) -> np.ndarray:
        larger = np.empty(self._capacity, dtype=array.dtype)
        larger[: len(array)] = array
        return larger

    def to_table(self) -> pa.Table:
        """Return all rows. Each column of numbers is one chunk."""
        table = pa.concat_tables(self._other_columns)
        others = dict(zip(table.column_names, table.columns, strict=True))
        columns = {}
        for name in self._column_names:
            if name in self._numbers:
                validity = self._validity[name][: self._row_count] if name in self._validity else None
                columns[name] = to_arrow_array(self._numbers[name][: self._row_count], validity)
            else:
                columns[name] = others[name]
        return pa.table(columns)


def to_arrow_array(numbers: np.ndarray, validity: np.ndarray | None) -> pa.Array:
    """Return an Arrow array that shares the memory of a NumPy array.

    Parameters
    ----------
    numbers : ndarray, shape (n_rows,)
        Contiguous.
    validity : ndarray of bool, shape (n_rows,), or None
        False where a value is null. None means no nulls.
    """
    bitmap = None
    if validity is not None and not validity.all():
        bitmap = pa.py_buffer(np.packbits(validity, bitorder="little"))
    return pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(numbers), [bitmap, pa.py_buffer(numbers)])


def zero_copy_arrays(table: pa.Table) -> dict[int, np.ndarray]:
    """Return NumPy arrays that share the memory of a table, for the number columns that allow it.

    A column qualifies if it has one chunk, in writable memory, and is not float16; an integer column must also have no
    nulls. Nulls in floats are overwritten by NaN, so the caller must be the table's only owner.

    Returns
    -------
    dict of int to ndarray of shape (n_rows,)
        By column index.
    """
    arrays = {}
    for index, field in enumerate(table.schema):
        chunks = table.column(index).chunks
        if len(chunks) != 1 or not is_number(field.type) or pa.types.is_float16(field.type):
            continue
        values = chunks[0]
        buffer = values.buffers()[1]
        if not buffer.is_mutable or (values.null_count and pa.types.is_integer(field.type)):
            continue
        array = np.frombuffer(buffer, field.type.to_pandas_dtype())[values.offset : values.offset + len(values)]
        if values.null_count:
            array[values.is_null()] = np.nan
        arrays[index] = array
    return arrays


def allocate_arrays(
    table: pa.Table, exclude: Collection[int], dictionary_indices: Collection[int]
) -> dict[int, np.ndarray]:
    """Return uninitialized arrays for the number and dictionary columns of a table.

    Parameters
    ----------
    table : Table
    exclude : collection of int
        Indices of columns that need no array.
    dictionary_indices : collection of int
        Indices of dictionary columns, each with one dictionary for all chunks. Their arrays hold the codes.

    Returns
    -------
    dict of int to ndarray of shape (n_rows,)
        By column index. Integers with nulls become float64.
    """
    arrays = {}
    for index, field in enumerate(table.schema):
        if index in exclude:
            continue
        column = table.column(index)
        if is_number(field.type):
            needs_nan = pa.types.is_integer(field.type) and column.null_count
            arrays[index] = np.empty(len(table), dtype=np.float64 if needs_nan else field.type.to_pandas_dtype())
        elif index in dictionary_indices:
            code_dtype = np.min_scalar_type(-max(1, len(get_dictionary_values(column))))
            arrays[index] = np.empty(len(table), dtype=code_dtype)
    return arrays


def move_batches(batches: list[pa.RecordBatch], arrays: Mapping[int, np.ndarray]) -> None:
    """Copy record batches into arrays, releasing each batch before the next one is copied.

    Parameters
    ----------
    batches : list of RecordBatch
        All rows. Empty afterwards.
    arrays : mapping of int to ndarray of shape (n_rows,)
        By column index, in the order of the batches' columns; only the order is used. Nulls become NaN, or the code -1
        in a dictionary column.
    """
    start = copied_bytes = 0
    batches.reverse()
    while batches:
        batch = batches.pop()
        end = start + len(batch)
        for array, values in zip(arrays.values(), batch.columns, strict=True):
            if isinstance(values, pa.DictionaryArray):
                values = values.indices.fill_null(-1) if values.null_count else values.indices
            array[start:end] = values.to_numpy(zero_copy_only=False)
        start = end
        copied_bytes += batch.nbytes
        del batch, values
        if copied_bytes > _BYTES_PER_RELEASE:
            pa.default_memory_pool().release_unused()
            copied_bytes = 0
