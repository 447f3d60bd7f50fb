"""Units before or after numbers in text: currencies, percent signs and units of measure."""

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
    """Return bare numbers: without units, and without spaces or apostrophes between thousands.

    Texts that are not numbers are unchanged. A negative number may have a typographic minus sign, a minus sign at the
    end, or parentheses instead.

    Returns
    -------
    ChunkedArray of string or None
        None if the numbers have different units, e.g. kg and g, and cannot be compared.
    """
    normalized = normalize_characters(trimmed)
    is_number = match_numbers(normalized)
    if not any_true(is_number):
        return trimmed
    units = find_distinct_units(normalized.filter(is_number))
    # A price may lack its currency, but a number without a unit of measure is a different quantity.
    is_mixed_with_bare_numbers = "" in units and not units <= {"", *_CURRENCIES}
    if len(units - {""}) > 1 or is_mixed_with_bare_numbers:
        return None
    return _replace_by_bare_numbers(trimmed, normalized, is_number)


def strip_required_unit(trimmed: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    """Return bare numbers for the numbers in a given unit; other texts are unchanged.

    If the unit is a currency, numbers without a unit are accepted too.
    """
    normalized = normalize_characters(trimmed)
    is_number = match_numbers(normalized)
    if not any_true(is_number):
        return trimmed
    accepted = {unit, *([""] if unit in _CURRENCIES else [])}
    units = pc.dictionary_encode(_extract_units(normalized)).combine_chunks()
    is_accepted = pa.array([_to_singular(name) in accepted for name in units.dictionary.to_pylist()], pa.bool_())
    is_accepted_number = pc.fill_null(pc.and_(is_number, pc.take(is_accepted, units.indices)), False)
    return _replace_by_bare_numbers(trimmed, normalized, is_accepted_number)


def _replace_by_bare_numbers(
    trimmed: pa.ChunkedArray, normalized: pa.ChunkedArray, is_number: pa.ChunkedArray
) -> pa.ChunkedArray:
    """Return the values, with bare numbers where the mask `is_number` is true."""
    is_negative = pc.match_substring_regex(normalized, r"^\(.*\)$|-")
    digits = pc.utf8_rtrim(pc.replace_substring_regex(normalized, r"[^\d.,]", ""), ".")
    numbers = pc.if_else(is_negative, pc.binary_join_element_wise("-", digits, ""), digits)
    return pc.if_else(is_number, numbers, trimmed)


def match_numbers(normalized: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether each value is a number, which may have a unit."""
    starts_as_number = pc.fill_null(pc.match_substring_regex(normalized, _NUMBER_START), False)
    if not any_true(starts_as_number):  # compiling the pattern below takes milliseconds
        return starts_as_number
    matches = pc.match_substring_regex(normalized, _NUMBER_WITH_UNIT)
    has_short_unit = pc.less_equal(pc.utf8_length(_extract_units(normalized)), _MAX_UNIT_LENGTH)
    return pc.fill_null(pc.and_(matches, has_short_unit), False)


def normalize_characters(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace typographic spaces, apostrophes and minus signs by their ASCII forms, and m2 by m²."""
    is_ascii = pc.all(pc.string_is_ascii(trimmed)).as_py()
    for pattern, replacement in (*(() if is_ascii else _CHARACTER_VARIANTS), *_AREA_AND_VOLUME_UNITS):
        trimmed = pc.replace_substring_regex(trimmed, pattern, replacement)
    return trimmed


def _extract_units(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what remains of each text without digits, separators, spaces, parentheses and signs."""
    return pc.replace_substring_regex(numbers, r"[\d.,' ()+-]", "")


def find_distinct_units(numbers: pa.ChunkedArray) -> set[str]:
    """Return the different units of numbers; "days" and "day" are the same unit."""
    return set(map(_to_singular, pc.unique(_extract_units(numbers)).to_pylist()))


def _to_singular(unit: str | None) -> str:
    unit = unit or ""
    return unit[:-1] if len(unit) >= _MIN_PLURAL_LENGTH and unit.endswith("s") else unit


def find_common_unit(trimmed: pa.ChunkedArray) -> str:
    """Return the one unit of a column's numbers, as accepted by `strip_units`; empty if no number has a unit."""
    normalized = normalize_characters(trimmed)
    return max(find_distinct_units(normalized.filter(match_numbers(normalized))), default="", key=len)
