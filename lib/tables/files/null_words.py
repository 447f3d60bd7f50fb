"""Words such as NA that are read as missing in text columns, where they may be values."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.missing_codes import NULL_STRINGS
from lib.tables.detect.dialect import Dialect
from lib.tables.files.text_batches import read_batches

_MAX_LISTED_COLUMNS = 5


def describe_null_words(path: Path, dialect: Dialect, keys: Collection[str]) -> str:
    """Return a sentence on the words that count as missing in text columns; empty if there are none.

    Only the first batch of rows is examined.

    Parameters
    ----------
    path : Path
    dialect : Dialect
    keys : collection of str
        Positions of the text columns that have missing values.
    """
    if not keys:
        return ""
    columns: dict[str, list[str]] = {}
    for batch in islice(read_batches(path, dialect, null_values=[""]), 1):
        for key in keys:
            for word in _find_null_words(batch.rows[key]):
                columns.setdefault(word, []).append(dialect.header[int(key)])
    if not columns:
        return ""
    listed = " and ".join(f"{word!r} in {_list_names(names)}" for word, names in columns.items())
    counts, condition = ("counts", "it is a value") if len(columns) == 1 else ("count", "they are values")
    return f"{listed} {counts} as missing; if {condition}, set not_missing: [{', '.join(columns)}]."


def _find_null_words(texts: pa.ChunkedArray) -> list[str]:
    words = pc.unique(pc.utf8_trim_whitespace(texts.drop_null())).to_pylist()
    return sorted(word for word in words if word and word in NULL_STRINGS)


def _list_names(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_LISTED_COLUMNS} more columns" if len(names) > _MAX_LISTED_COLUMNS else ""
    return ", ".join(names[:_MAX_LISTED_COLUMNS]) + more
