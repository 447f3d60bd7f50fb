"""Tallies of the number formats in a column, from which its decimal and thousands separators follow."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.masks import count_true
from lib.schema.missing_codes import is_missing_code
from lib.schema.number_format import NumberTally
from lib.schema.units import strip_units

FLOAT = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)$"
# Thousands separated by commas, also as in India (12,34,567), without a leading zero (0,143).
_COMMA_GROUPS = r"([1-9]\d{0,2}(,\d{3})+|[1-9]\d?(,\d{2})+,\d{3})"
COMMA_THOUSANDS = rf"^[+-]?({_COMMA_GROUPS}|\d+)(\.\d+)?$"
_CERTAIN_COMMA_THOUSANDS = rf"^[+-]?({_COMMA_GROUPS}\.\d+|[1-9]\d{{0,2}}(,\d{{3}}){{2,}}|[1-9]\d?(,\d{{2}})+,\d{{3}})$"
DECIMAL_COMMA = r"(?i)^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?(e[+-]?\d+)?$"
_INTEGER = r"^[+-]?(0|[1-9]\d{0,2}([.,]\d{3})*)$"


def tally(texts: pa.ChunkedArray) -> NumberTally:
    """Tally the number formats of a text column or a part of it."""
    trimmed = pc.utf8_trim_whitespace(pc.cast(texts, pa.string()))
    bare = strip_units(trimmed)
    return NumberTally(present=len(texts) - texts.null_count) if bare is None else tally_bare(bare)


def tally_bare(bare: pa.ChunkedArray) -> NumberTally:
    """Tally the number formats of texts without spaces around them and without units."""
    values = bare.drop_null()
    present = values.filter(pc.invert(is_missing_code(values)))
    is_integer = pc.match_substring_regex(present, _INTEGER)
    is_float = pc.match_substring_regex(present, FLOAT)
    return NumberTally(
        values=len(values),
        present=len(present),
        decimal_comma=count_true(pc.match_substring_regex(present, DECIMAL_COMMA)),
        certain_decimal_comma=count_true(pc.and_(pc.match_substring(present, ","), pc.invert(is_integer))),
        decimal_point=count_true(pc.or_(is_float, pc.match_substring_regex(present, COMMA_THOUSANDS))),
        certain_comma_thousands=count_true(pc.match_substring_regex(present, _CERTAIN_COMMA_THOUSANDS)),
        integers=count_true(is_integer),
        with_point=count_true(pc.match_substring(values, ".")),
    )
