"""Training rows and test rows: a description of their columns, and a fingerprint of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import cores
from lib.secrets import private_values
from lib.tables.files import categoricals, pandas_conversion

if TYPE_CHECKING:
    from lib.schema.table_schema import TableSchema

_MAX_COUNTED_ROWS = 100_000  # distinct values are counted in these first rows only, to save time
# Odd weights: a changed value always changes its product with the weight modulo 2**64.
_WEIGHTS = np.random.default_rng(0).integers(0, 2**63, 1024, dtype=np.uint64) * 2 + 1


def describe_columns(
    train: pd.DataFrame, schema: TableSchema, show_rows: int = 0, private_columns: Collection[str] = ()
) -> pd.DataFrame:
    """Return the type, kind, missing values, number of distinct values and, if allowed, first values of each column.

    Parameters
    ----------
    train : DataFrame of shape (rows, columns)
    schema : TableSchema
        The schema of the features; contains the kind of each column.
    show_rows : int
        Number of rows to show.
    private_columns : collection of str
        Columns whose values are not shown.
    """
    head = train.head(_MAX_COUNTED_ROWS)
    suffix = "" if len(head) == len(train) else f" in {len(head):,}"
    counts = cores.map_threads(
        lambda name: (np.count_nonzero(train[name].isna()), _count_distinct(head[name])), train.columns
    )
    description = pd.DataFrame(
        {
            "type": train.dtypes.astype(str),
            "kind": [schema.columns[name].kind if name in schema.columns else "target" for name in train.columns],
            "missing": [f"{missing:,} ({missing / len(train):.1%})" for missing, _ in counts],
            "distinct": [f"{distinct:,}{suffix}" for _, distinct in counts],
        },
        index=train.columns,
    )
    rows = train.head(show_rows).astype(object)
    for name in private_columns:
        if name in rows:
            rows[name] = private_values.MARK
    sample = rows.map(_format_cell).T.rename(columns=lambda row: f"row {row}")
    return description.join(sample).rename_axis("column")


def _format_cell(value: Any) -> str:
    """Return a value as text without thousands separators: the year 2024 must not become 2,024."""
    if pd.isna(value):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def hash_tables(*tables: pd.DataFrame) -> str:
    """Return a hash of training and test rows. Their folder is named by it, so equal rows are stored once."""
    state = hashlib.blake2b(digest_size=8)
    for digest in cores.map_threads(_hash_column, [values for table in tables for _, values in table.items()]):
        state.update(digest)
    return state.hexdigest()


def _count_distinct(values: pd.Series) -> int:
    """Return the number of distinct values; missing values do not count."""
    if not isinstance(values.dtype, np.dtype) or values.dtype.kind not in "iuf":
        return values.nunique()
    ordered = np.sort(values.to_numpy())  # NaN comes last
    present = ordered[: np.searchsorted(ordered, np.nan)] if values.dtype.kind == "f" else ordered
    return int(np.count_nonzero(present[1:] != present[:-1])) + bool(len(present))


def _hash_column(values: pd.Series) -> bytes:
    """Return a hash of a column's name, type and values."""
    state = hashlib.blake2b(repr((values.name, str(values.dtype), len(values))).encode())
    if categoricals.is_dictionary_encoded(values):
        state.update(repr(values.cat.categories.tolist()).encode())
        state.update(_hash_array(values.cat.codes.to_numpy()))
    elif isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        state.update(_hash_array(values.to_numpy()))
    else:
        for chunk in pandas_conversion.pandas_to_arrow(values.to_frame()).combine_chunks().column(0).chunks:
            for buffer in chunk.buffers():
                state.update(buffer or b"")
    return state.digest()


def _hash_array(array: np.ndarray) -> bytes:
    """Return weighted sums of the blocks of an array, followed by the bytes after the last whole block.

    A change of a single bit changes the result. The sums are small, so that hashing them costs little.
    """
    array_bytes = np.ascontiguousarray(array).view(np.uint8)
    end = len(array_bytes) // _WEIGHTS.nbytes * _WEIGHTS.nbytes
    sums = array_bytes[:end].view(np.uint64).reshape(-1, len(_WEIGHTS)) @ _WEIGHTS
    return sums.tobytes() + array_bytes[end:].tobytes()
