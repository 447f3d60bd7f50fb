"""Points that separate thousands."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.masks import any_true, count_true
from lib.schema.number_tally import tally_bare

_SEVERAL_POINTS = r"\..*\."
_MIN_WITH_POINT = 20


def parse_point_thousands(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Parse a column in which every point may separate thousands, in a file that uses decimal commas.

    Returns
    -------
    ChunkedArray of int64 or None
        None if a point cannot separate thousands.

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
    """Parse a column whose points can hardly be decimal points, because they always precede three digits.

    Beside 1.008, a price of 996 would be written 996.000 if the point were a decimal point, and of twenty numbers with
    decimals, about two would end in zero and be shorter. Several points in one number leave no doubt.

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
    present = pc.unique(trimmed.drop_null())
    if any_true(pc.match_substring_regex(present, _SEVERAL_POINTS)):
        return _parse_thousands(trimmed)
    with_point = count_true(pc.match_substring(present, "."))
    small = count_true(pc.match_substring_regex(present, r"^[+-]?\d{1,3}$"))
    large = len(present) - with_point - small
    return _parse_thousands(trimmed) if with_point >= _MIN_WITH_POINT and small and not large else None


def _parse_thousands(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.replace_substring_regex(trimmed, r"^\+|\.", ""), pa.int64())
