"""Texts that stand for a missing value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# The null values of pyarrow's CSV reader, and \N of SQL exports. They are copied, because importing pyarrow is slow.
NULL_STRINGS = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "n/a",
    "nan",
    "null",
    r"\N",
)
# Texts that mean "missing" in columns of numbers, in lower case.
MISSING_CODES = ("", "-", "--", ".", "?", "n/a", "n.a.", "na", "nan", "null", "none", "nil", "#n/a", "<na>", "missing")


def match_missing_codes(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether each text, without surrounding spaces, means a missing number; null for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(MISSING_CODES))
