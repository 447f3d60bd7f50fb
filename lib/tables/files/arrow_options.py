"""Options with which pyarrow reads a text file.

Tables here name their columns by keys: the position in the header as a string, since a header may repeat a name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from lib.schema.missing_codes import NULL_STRINGS
from lib.tables.detect.dialect import Dialect

_BLOCK_BYTES = 2**21


def make_reader_options(dialect: Dialect, keys: Sequence[str], types: Mapping[str, pa.DataType]) -> dict[str, Any]:
    """Return the keyword arguments with which `pyarrow.csv` reads a file of a dialect.

    Parameters
    ----------
    dialect : Dialect
    keys : sequence of str
        Columns to read, each by its position in the header.
    types : mapping of str to DataType
        Types of some columns, by key. The types of the other columns are inferred.
    """
    return {
        "read_options": arrow_csv.ReadOptions(
            block_size=_BLOCK_BYTES,
            column_names=[str(index) for index in range(len(dialect.header))],
            skip_rows=dialect.lines_before_rows,
            # pyarrow decodes and re-encodes the file unless the name is spelled "utf8".
            encoding="utf8" if dialect.encoding == "utf-8" else dialect.encoding,
        ),
        "parse_options": arrow_csv.ParseOptions(
            delimiter=dialect.separator,
            newlines_in_values=dialect.scan.has_quoted_line_breaks,
        ),
        "convert_options": arrow_csv.ConvertOptions(
            strings_can_be_null=True,
            null_values=NULL_STRINGS,
            include_columns=list(keys),
            column_types=dict(types),
        ),
    }


def get_column_keys(dialect: Dialect, exclude: Collection[str]) -> list[str]:
    """Return the keys of the columns that are not excluded."""
    return [str(index) for index, name in enumerate(dialect.header) if name not in exclude]
