"""Codes that look like numbers, which a conversion to numbers would change."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.masks import any_true

_LEADING_ZERO = r"^[+-]?0(\d+([eE]\d+)?|[xX][\da-fA-F]+)$"
_LONG_INTEGER = r"^[+-]?\d{17,}$"
_EXPONENT_CODE = r"^\d+[eE]\d+$"
_ALPHANUMERIC = r"^[\da-zA-Z]+$"
_LETTER_CODE = r"^[a-zA-Z]{1,3}[.-]?\d+(\.\d+)?$"
_MIN_LETTER_CODES = 2
_PHONE_NUMBER = r"^\+[1-9]\d{6,14}$"


def has_numeric_codes(texts: pa.ChunkedArray) -> bool:
    """Return whether a column contains codes that a conversion to numbers would change.

    Such codes are numbers with a leading zero, integers with more digits than a float keeps, phone numbers if the
    column contains nothing else, and codes such as 1E2 among codes of the same length.

    >>> has_numeric_codes(pa.chunked_array([["00501", "10001"]]))
    True
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    if are_phone_numbers(trimmed) or _has_exponent_codes(trimmed):
        return True
    return any(any_true(pc.match_substring_regex(trimmed, pattern)) for pattern in (_LEADING_ZERO, _LONG_INTEGER))


def are_phone_numbers(trimmed: pa.ChunkedArray) -> bool:
    """Return whether every value is a plus sign and 7 to 15 digits; amounts are not written with a plus sign."""
    present = trimmed.drop_null()
    return len(present) > 0 and bool(pc.all(pc.match_substring_regex(present, _PHONE_NUMBER)).as_py())


def _has_exponent_codes(trimmed: pa.ChunkedArray) -> bool:
    """Return whether all values are codes of the same length, and some of them, such as 1E2, look like numbers.

    Real numbers in exponent notation have a point or a sign, or differ in length from the column's other numbers.
    """
    present = trimmed.drop_null()
    looks_like_exponent = pc.match_substring_regex(present, _EXPONENT_CODE)
    if not any_true(looks_like_exponent) or not pc.all(pc.match_substring_regex(present, _ALPHANUMERIC)).as_py():
        return False
    lengths = pc.unique(pc.utf8_length(present))
    return len(lengths) == 1 and not pc.all(looks_like_exponent).as_py()


def has_letter_codes(trimmed: pa.ChunkedArray, is_number: pa.ChunkedArray, is_missing: pa.ChunkedArray) -> bool:
    """Return whether all non-numeric values of a column are codes such as V57, with at least two distinct ones."""
    others = pc.unique(trimmed.filter(pc.invert(pc.or_(is_number, is_missing))))
    return len(others) >= _MIN_LETTER_CODES and bool(pc.all(pc.match_substring_regex(others, _LETTER_CODE)).as_py())
