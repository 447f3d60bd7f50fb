"""Dictionary-encoded columns: each distinct text is stored once, and rows refer to it by position."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

ARROW_STRING = pd.StringDtype("pyarrow", na_value=np.nan)
ENCODED_TEXT = pa.dictionary(pa.int32(), pa.string())
_SAMPLE_ROWS = 20_000
_MIN_ROWS = 1_000
_MAX_DISTINCT_SHARE = 0.5


def is_text(arrow_type: pa.DataType) -> bool:
    """Return whether values of a type are text, stored directly or in a dictionary.

    Examples
    --------
    >>> is_text(pa.string()), is_text(ENCODED_TEXT), is_text(pa.int64())
    (True, True, False)
    """
    return pa.types.is_string(arrow_type) or arrow_type == ENCODED_TEXT


def is_repetitive(column: pa.Array | pa.ChunkedArray) -> bool:
    """Return whether few of a column's first values are distinct, so that a dictionary saves memory."""
    sample = column[:_SAMPLE_ROWS]
    return len(sample) >= _MIN_ROWS and pc.count_distinct(sample).as_py() <= _MAX_DISTINCT_SHARE * len(sample)


def get_dictionary_values(column: pa.ChunkedArray) -> pa.Array:
    """Return the distinct texts of a column whose chunks share one dictionary."""
    return column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.string())


def is_dictionary_encoded(values: pd.Series) -> bool:
    """Return whether a column is text that Millrace stores as categories to save memory.

    The categories of such a column are Arrow-backed strings. Categories that a user declared are objects.
    """
    return isinstance(values.dtype, pd.CategoricalDtype) and isinstance(values.dtype.categories.dtype, pd.StringDtype)


def decode_dictionary(values: pd.Series) -> pd.Series:
    """Convert a dictionary-encoded column to Arrow-backed strings."""
    texts = pc.cast(pa.array(values, from_pandas=True), pa.string())
    return texts.to_pandas(types_mapper={pa.string(): ARROW_STRING}.get).set_axis(values.index).rename(values.name)
