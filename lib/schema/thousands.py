"""Parsing of whole numbers whose points separate thousands, such as 2.434.551."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.masks import any_true, count_true
from lib.schema.number_tally import tally_bare

_SEVERAL_POINTS = r"\..*\."
_MIN_WITH_POINT = 20


def parse_point_thousands(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Parse a column of whole numbers with points between thousands, in a file that uses decimal commas.

    Returns
    -------
    ChunkedArray of int64 or None
        None if a value is not such a number, e.g. 1.5.

    Examples
    --------
    >>> parse_point_thousands(pa.chunked_array([["1.024", "12"]])).to_pylist()
    [1024, 12]
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    if not tally_bare(trimmed).may_use_point_thousands:
        return None
    return _parse_thousands(trimmed)


def parse_evident_thousands(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Parse a column of whole numbers whose points evidently separate thousands.

    Every point must precede exactly three digits. That may also be true for numbers with three decimals, so there must
    be a number with several points, or both 20 numbers with a point and numbers below 1,000 without one: with three
    decimals, 996 would be written 996.000, and a tenth of the others, which end in zero, might be shorter.

    Returns
    -------
    ChunkedArray of int64 or None
        None if the points may be decimal points.

    Examples
    --------
    >>> parse_evident_thousands(pa.chunked_array([["2.434.551", "257.130", "996"]])).to_pylist()
    [2434551, 257130, 996]
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    if not tally_bare(trimmed).may_use_point_thousands:
        return None
    distinct = pc.unique(trimmed.drop_null())
    if any_true(pc.match_substring_regex(distinct, _SEVERAL_POINTS)):
        return _parse_thousands(trimmed)
    with_point = count_true(pc.match_substring(distinct, "."))
    below_thousand = count_true(pc.match_substring_regex(distinct, r"^[+-]?\d{1,3}$"))
    others = len(distinct) - with_point - below_thousand
    return _parse_thousands(trimmed) if with_point >= _MIN_WITH_POINT and below_thousand and not others else None


def _parse_thousands(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.replace_substring_regex(trimmed, r"^\+|\.", ""), pa.int64())
