"""Counts of the number formats in a column, used to infer its decimal and thousands separators."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.masks import count_true
from lib.schema.missing_codes import match_missing_codes
from lib.schema.number_format import NumberTally
from lib.schema.units import strip_units

FLOAT_PATTERN = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)$"
# Thousands separated by commas, also as in India (12,34,567), without a leading zero (0,143).
_COMMA_GROUPS = r"([1-9]\d{0,2}(,\d{3})+|[1-9]\d?(,\d{2})+,\d{3})"
COMMA_THOUSANDS_PATTERN = rf"^[+-]?({_COMMA_GROUPS}|\d+)(\.\d+)?$"
_CERTAIN_COMMA_THOUSANDS_PATTERN = (
    rf"^[+-]?({_COMMA_GROUPS}\.\d+|[1-9]\d{{0,2}}(,\d{{3}}){{2,}}|[1-9]\d?(,\d{{2}})+,\d{{3}})$"
)
DECIMAL_COMMA_PATTERN = r"(?i)^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?(e[+-]?\d+)?$"
_INTEGER_PATTERN = r"^[+-]?(0|[1-9]\d{0,2}([.,]\d{3})*)$"


def tally(texts: pa.ChunkedArray) -> NumberTally:
    """Count the number formats of a text column, or of a part of the column."""
    trimmed = pc.utf8_trim_whitespace(pc.cast(texts, pa.string()))
    bare = strip_units(trimmed)
    return NumberTally(present=len(texts) - texts.null_count) if bare is None else tally_bare(bare)


def tally_bare(bare: pa.ChunkedArray) -> NumberTally:
    """Count the number formats of texts that have no surrounding spaces and no units."""
    values = bare.drop_null()
    present = values.filter(pc.invert(match_missing_codes(values)))
    is_integer = pc.match_substring_regex(present, _INTEGER_PATTERN)
    is_float = pc.match_substring_regex(present, FLOAT_PATTERN)
    return NumberTally(
        values=len(values),
        present=len(present),
        decimal_comma=count_true(pc.match_substring_regex(present, DECIMAL_COMMA_PATTERN)),
        certain_decimal_comma=count_true(pc.and_(pc.match_substring(present, ","), pc.invert(is_integer))),
        decimal_point=count_true(pc.or_(is_float, pc.match_substring_regex(present, COMMA_THOUSANDS_PATTERN))),
        certain_comma_thousands=count_true(pc.match_substring_regex(present, _CERTAIN_COMMA_THOUSANDS_PATTERN)),
        integers=count_true(is_integer),
        with_point=count_true(pc.match_substring(values, ".")),
    )
