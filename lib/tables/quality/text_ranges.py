"""Ranges of the columns that a table stores as text and a model reads as dates, durations or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lib.schema.table_schema import DATETIME, DURATION, NUMBER, TableSchema
from lib.scoring.schema_kinds import find_kind
from lib.scoring.value_warnings import TEXT_READERS


def find_text_ranges(train: pd.DataFrame, schema: TableSchema) -> dict[str, dict[str, Any]]:
    """Return the range of each text column that is read as another type, for the baseline.

    Parameters
    ----------
    train : DataFrame of shape (rows, columns)
    schema : TableSchema
        The schema of the features.

    Returns
    -------
    dict of str to dict
        ``minimum`` and ``maximum`` by column: ISO 8601 for dates, seconds for durations, numbers for numbers.

    Examples
    --------
    >>> from lib.schema.table_schema import ColumnSchema
    >>> schema = TableSchema({"when": ColumnSchema("when", DATETIME, date_format="%d.%m.%Y")})
    >>> find_text_ranges(pd.DataFrame({"when": ["31.01.2026", "01.02.2026"]}), schema)
    {'when': {'minimum': '2026-01-31T00:00:00', 'maximum': '2026-02-01T00:00:00'}}
    """
    ranges = {}
    for name, column in schema.columns.items():
        if name not in train.columns or column.kind not in (DATETIME, DURATION, NUMBER):
            continue
        # Texts are objects, strings of Arrow or categories, depending on how the table was read.
        dtype = train[name].dtype
        is_text = pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)
        if is_text or isinstance(dtype, pd.CategoricalDtype):
            kind = find_kind("string", column, nullable=True)
            texts = [text for text in train[name].unique().tolist() if isinstance(text, str)]
            if kind.name in TEXT_READERS and (ends := _find_ends(kind, texts)):
                ranges[name] = {"minimum": ends[0], "maximum": ends[1]}
    return ranges


def _find_ends(kind: Any, texts: list[str]) -> tuple[Any, Any] | None:
    """Return the smallest and the largest value in texts; None if they contain no value."""
    read = TEXT_READERS[kind.name]
    values = [value for text in texts if kind.is_valid(text) and (value := read(kind, text)) == value]  # not NaN or NaT
    if not values:
        return None
    ends = min(values), max(values)
    if isinstance(ends[0], np.datetime64):
        return pd.Timestamp(ends[0]).isoformat(), pd.Timestamp(ends[1]).isoformat()
    return float(ends[0]), float(ends[1])
