"""Number formats of a text file that is read in parts: inferred once from the whole file, then applied to each part.

A part alone cannot tell whether ``1,024`` is a thousand and 24 or slightly more than 1, and all parts must agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import pyarrow as pa

from lib.schema import number_parsing
from lib.schema.number_format import NumberFormat, NumberTally


def infer_formats(parts: Iterable[pd.DataFrame], comma_separated: bool = False) -> dict[str, NumberFormat]:
    """Infer the number format of each column of a file.

    Parameters
    ----------
    parts : iterable of DataFrame
        All rows, with values as text.
    comma_separated : bool
        Whether commas separate the columns of the file.

    Returns
    -------
    dict of str to NumberFormat
        By column name.
    """
    tallies: dict[str, NumberTally] = {}
    for part in parts:
        for name in part.columns:
            tallies[name] = tallies.get(name, NumberTally()) + number_parsing.tally(_to_arrow(part[name].tolist()))
    formats = {name: tally.infer_format(comma_separated) for name, tally in tallies.items()}
    uses_decimal_comma = NumberFormat.DECIMAL_COMMA in formats.values()
    mixes_formats = comma_separated and any(tally.uses_decimal_point for tally in tallies.values())
    if uses_decimal_comma and not mixes_formats:
        formats |= {
            name: NumberFormat.DECIMAL_COMMA for name, tally in tallies.items() if tally.may_use_point_thousands
        }
    return formats


def parse_numbers(part: pd.DataFrame, names: Iterable[str], formats: Mapping[str, NumberFormat]) -> pd.DataFrame:
    """Parse the numbers in some text columns.

    Parameters
    ----------
    part : DataFrame
        Rows of a file. Columns that are not text are unchanged.
    names : iterable of str
        Columns to parse. Names that the file lacks are ignored.
    formats : mapping of str to NumberFormat
        By column, from `infer_formats`. Other columns use commas between thousands.

    Returns
    -------
    DataFrame
        The parsed columns have dtype object: a number, None for a missing code, or the text if it is not a number.

    Examples
    --------
    >>> part = pd.DataFrame({"size": ["1,5", "n/a", "large"]})
    >>> parse_numbers(part, ["size"], {"size": NumberFormat.DECIMAL_COMMA})["size"].tolist()
    [1.5, None, 'large']
    """
    columns = {}
    for name in names:
        if name in part and pd.api.types.infer_dtype(part[name], skipna=True) == "string":
            number_format = formats.get(name, NumberFormat.COMMA_THOUSANDS)
            columns[name] = pd.Series(_parse_cells(part[name].tolist(), number_format), part.index, dtype=object)
    return part.assign(**columns)


def _parse_cells(cells: Sequence[str | None], number_format: NumberFormat) -> list[float | str | None]:
    numbers, is_missing = number_parsing.parse_values(_to_arrow(cells), number_format)
    parsed: list[float | str | None] = numbers.to_pylist()
    for index, (number, missing, cell) in enumerate(zip(parsed, is_missing.to_pylist(), cells, strict=True)):
        if number is None and isinstance(cell, str) and not missing:
            parsed[index] = cell
    return parsed


def _to_arrow(cells: Sequence[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(cells, type=pa.string(), from_pandas=True)])
