"""Which marks stand in the numbers of a text file that is read in parts: seen once in all of it, then held to.

`1,024` is a thousand and 24, or a bit more than 1. No part of a file can tell, and no two of its parts may be read
otherwise; so what `numerals` sees in a whole column is counted here over its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import pyarrow as pa

from lib.data import numerals
from lib.data.counts import Counts, Mark


def of_columns(parts: Iterable[pd.DataFrame], comma: bool = True) -> dict[str, Mark]:
    """Marks of each column of a file.

    Parameters
    ----------
    parts : iterable of DataFrame
        All rows, as text.
    comma : bool
        Whether commas do not separate, so that they may stand before decimals without quotes.
    """
    seen: dict[str, Counts] = {}
    for part in parts:
        for name in part.columns:
            seen[name] = seen.get(name, Counts()) + numerals.count(_texts(part[name].tolist()))
    found = {name: one.mark(comma) for name, one in seen.items()}
    has_commas = Mark.DECIMAL_COMMA in found.values()
    if has_commas and (comma or not any(one.are_decimal_points for one in seen.values())):
        found |= {name: Mark.DECIMAL_COMMA for name, one in seen.items() if one.are_thousands}
    return found


def read_numbers(part: pd.DataFrame, names: Iterable[str], marks: Mapping[str, Mark]) -> pd.DataFrame:
    """Rows with the numbers of some columns in place of their texts.

    Parameters
    ----------
    part : DataFrame
        Rows of a file; columns that are no texts stay as they are.
    names : iterable of str
        Columns that are to be numbers; those that the file lacks are passed over.
    marks : mapping of str to Mark
        By column, as `of_columns` found them; commas stand between thousands in the others.

    Returns
    -------
    DataFrame
        With objects in those columns: a number, None where a cell says that it is missing, its text where it is no
        number.
    """
    read = {
        name: pd.Series(_numbers(part[name].tolist(), marks.get(name, Mark.COMMA_THOUSANDS)), part.index, object)
        for name in names
        if name in part and pd.api.types.infer_dtype(part[name], skipna=True) == "string"
    }
    return part.assign(**read)


def _numbers(cells: Sequence[str | None], mark: Mark) -> list[float | str | None]:
    found, missing = numerals.each(_texts(cells), mark)
    read = zip(found.to_pylist(), missing.to_pylist(), cells, strict=True)
    return [
        number if number is not None else cell if isinstance(cell, str) and not is_missing else None
        for number, is_missing, cell in read
    ]


def _texts(cells: Sequence[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(cells, type=pa.string(), from_pandas=True)])
