"""Units around numbers: any text, such as a currency, a percent sign, or a unit of measure."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.masks import any_true

_CURRENCIES = (*"$€£¥₹₽₺₪₩₴", "R$", "US$", "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "PLN", "zł", "Kč", "kr")
_PREFIX_UNIT = "(?:" + "|".join(map(re.escape, (*_CURRENCIES, "%"))) + ")"
# The maximum length is checked separately: RE2 compiles a bounded repetition of a large character class slowly.
_SUFFIX_UNIT = r"[\pLµμΩ°²³/€$%‰₽₺₪₩₴]+"
_LENGTH_UNIT = "(?:[cdkm]?m|ft|in|yd)"
_NUMBER_START = rf"^\(?[+-]?\s?(?:{_PREFIX_UNIT}\s?)?[+-]?[\d.,]"
_NUMBER_WITH_UNIT = (
    rf"^\(?[+-]?\s?(?:{_PREFIX_UNIT}\s?)?[+-]?(?:\d{{1,3}}(?:[ ']\d{{3}})+|\d[\d.,]*|[.,]\d+)(?:[.,]\d+)?"
    rf"(?:\s?{_SUFFIX_UNIT}\.?)?-?\)?$"
)
_MAX_UNIT_LENGTH = 12
_MIN_PLURAL_LENGTH = 4
# Characters outside ASCII, and their common form.
_CHARACTER_VARIANTS = (
    ("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]", ""),  # invisible
    ("[\u00a0\u202f\u2009]", " "),
    ("\u2019", "'"),
    ("[\u2212\u2013]", "-"),
)
_AREA_AND_VOLUME_UNITS = (
    (rf"(\d ?{_LENGTH_UNIT})2$", r"\1²"),
    (rf"(\d ?{_LENGTH_UNIT})3$", r"\1³"),
)


def strip_units(trimmed: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return the values without units, spaces or apostrophes between thousands; other texts are unchanged.

    A minus sign may also be typographic, follow the number, or be a pair of parentheses.

    Returns
    -------
    ChunkedArray of string or None
        None if the numbers have different units, e.g. kg and g, and cannot be compared.
    """
    normalized = normalize_characters(trimmed)
    has_unit = match_numbers_with_units(normalized)
    if not any_true(has_unit):
        return trimmed
    units = unique_units(normalized.filter(has_unit))
    # A price may lack its currency. A number without a unit of measure is a different quantity.
    is_mixed_with_bare_numbers = "" in units and not units <= {"", *_CURRENCIES}
    if len(units - {""}) > 1 or is_mixed_with_bare_numbers:
        return None
    return _replace_numbers_with_units(trimmed, normalized, has_unit)


def strip_unit(trimmed: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    """Return the values without this unit, spaces or apostrophes between thousands; other texts are unchanged."""
    normalized = normalize_characters(trimmed)
    has_unit = match_numbers_with_units(normalized)
    if not any_true(has_unit):
        return trimmed
    accepted = {unit, *([""] if unit in _CURRENCIES else [])}
    units = pc.dictionary_encode(_units_of(normalized)).combine_chunks()
    is_accepted = pa.array([_singular(name) in accepted for name in units.dictionary.to_pylist()], pa.bool_())
    has_accepted_unit = pc.fill_null(pc.and_(has_unit, pc.take(is_accepted, units.indices)), False)
    return _replace_numbers_with_units(trimmed, normalized, has_accepted_unit)


def _replace_numbers_with_units(
    trimmed: pa.ChunkedArray, normalized: pa.ChunkedArray, has_unit: pa.ChunkedArray
) -> pa.ChunkedArray:
    """Return the values with bare numbers in place of numbers with units."""
    is_negative = pc.match_substring_regex(normalized, r"^\(.*\)$|-")
    digits = pc.utf8_rtrim(pc.replace_substring_regex(normalized, r"[^\d.,]", ""), ".")
    numbers = pc.if_else(is_negative, pc.binary_join_element_wise("-", digits, ""), digits)
    return pc.if_else(has_unit, numbers, trimmed)


def match_numbers_with_units(normalized: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether each value is a number, with or without a unit."""
    starts_as_number = pc.fill_null(pc.match_substring_regex(normalized, _NUMBER_START), False)
    if not any_true(starts_as_number):  # the pattern below takes milliseconds to compile
        return starts_as_number
    matches = pc.match_substring_regex(normalized, _NUMBER_WITH_UNIT)
    has_short_unit = pc.less_equal(pc.utf8_length(_units_of(normalized)), _MAX_UNIT_LENGTH)
    return pc.fill_null(pc.and_(matches, has_short_unit), False)


def normalize_characters(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace typographic spaces, apostrophes and minus signs by their ASCII forms, and m2 by m²."""
    is_ascii = pc.all(pc.string_is_ascii(trimmed)).as_py()
    for pattern, replacement in (*(() if is_ascii else _CHARACTER_VARIANTS), *_AREA_AND_VOLUME_UNITS):
        trimmed = pc.replace_substring_regex(trimmed, pattern, replacement)
    return trimmed


def _units_of(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(numbers, r"[\d.,' ()+-]", "")


def unique_units(numbers: pa.ChunkedArray) -> set[str]:
    """Return the different units, in the singular: "days" and "day" are one unit."""
    return set(map(_singular, pc.unique(_units_of(numbers)).to_pylist()))


def _singular(unit: str | None) -> str:
    unit = unit or ""
    return unit[:-1] if len(unit) >= _MIN_PLURAL_LENGTH and unit.endswith("s") else unit


def common_unit(trimmed: pa.ChunkedArray) -> str:
    """Return the unit of the numbers of a column that `strip_units` accepts; empty for bare numbers."""
    normalized = normalize_characters(trimmed)
    return max(unique_units(normalized.filter(match_numbers_with_units(normalized))), default="", key=len)
