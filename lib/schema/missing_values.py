"""Words that usually mean "missing" in text files."""

from __future__ import annotations

# The null values of pyarrow's CSV reader, and that of SQL exports; a literal, because pyarrow is slow to import.
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
