"""Texts that stand for a missing value."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

# Read as null in every column: pyarrow's defaults, and what MySQL and PostgreSQL export.
NULL_STRINGS = (*arrow_csv.ConvertOptions().null_values, r"\N")
# Read as missing in columns of numbers, in lower case.
MISSING_CODES = ("", "-", "--", ".", "?", "n/a", "n.a.", "na", "nan", "null", "none", "nil", "#n/a", "<na>", "missing")


def is_missing_code(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether each trimmed text stands for a missing number; null for null."""
    return pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(MISSING_CODES))
