"""Parsing of numbers in text columns: units, currencies, decimal commas, missing codes, and numeric codes.

"Unit" below means any text around a number: a currency, a percent sign, or a unit of measure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.number_format import MIN_NUMERIC_SHARE, NumberFormat, NumberTally

# Read as missing in columns of numbers, in lower case.
MISSING_CODES = ("", "-", "--", ".", "?", "n/a", "n.a.", "na", "nan", "null", "none", "nil", "#n/a", "<na>", "missing")

_FLOAT = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)$"
# Thousands separated by commas, also as in India (12,34,567), without a leading zero (0,143).
_COMMA_GROUPS = r"([1-9]\d{0,2}(,\d{3})+|[1-9]\d?(,\d{2})+,\d{3})"
_COMMA_THOUSANDS = rf"^[+-]?({_COMMA_GROUPS}|\d+)(\.\d+)?$"
_CERTAIN_COMMA_THOUSANDS = rf"^[+-]?({_COMMA_GROUPS}\.\d+|[1-9]\d{{0,2}}(,\d{{3}}){{2,}}|[1-9]\d?(,\d{{2}})+,\d{{3}})$"
_DECIMAL_COMMA = r"(?i)^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?(e[+-]?\d+)?$"
_INTEGER = r"^[+-]?(0|[1-9]\d{0,2}([.,]\d{3})*)$"

_LEADING_ZERO = r"^[+-]?0(\d+([eE]\d+)?|[xX][\da-fA-F]+)$"
_LONG_INTEGER = r"^[+-]?\d{17,}$"
_EXPONENT_CODE = r"^\d+[eE]\d+$"
_ALPHANUMERIC = r"^[\da-zA-Z]+$"
_LETTER_CODE = r"^[a-zA-Z]{1,3}[.-]?\d+(\.\d+)?$"
_MIN_LETTER_CODES = 2
_PHONE_NUMBER = r"^\+[1-9]\d{6,14}$"
MAX_EXACT_INTEGER = 2**53  # not all larger integers have an exact float

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
_SEVERAL_POINTS = r"\..*\."
_MIN_WITH_POINT = 20
_MAX_UNIT_LENGTH = 12
_MIN_PLURAL_LENGTH = 4
# Different characters for the same thing, and their common form.
_CHARACTER_VARIANTS = (
    ("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]", ""),  # invisible
    ("[\u00a0\u202f\u2009]", " "),
    ("\u2019", "'"),
    ("[\u2212\u2013]", "-"),
    (rf"(\d ?{_LENGTH_UNIT})2$", r"\1²"),
    (rf"(\d ?{_LENGTH_UNIT})3$", r"\1³"),
)

_SAMPLE_ROWS = 1_000
# A column with at most this many different values is categorical, even if they start with digits (1Story, 1.5Fin).
_MAX_CATEGORIES = 30
_MAX_LISTED_UNITS, _MAX_EXAMPLES = 5, 3


class ParsedColumn(NamedTuple):
    """A text column parsed as numbers.

    Attributes
    ----------
    numbers : ChunkedArray of float64 or None
        None if the column is not numeric.
    number_format : NumberFormat
    note : str
        A sentence for the user about what was changed or left as text; may be empty.
    unit : str
        The unit of the numbers; empty for bare numbers.
    missing_values : tuple of str
        Codes in the column that count as missing, such as ``n/a``.
    unreadable : int
        Number of other values that are not numbers and count as missing.
    """

    numbers: pa.ChunkedArray | None
    number_format: NumberFormat
    note: str
    unit: str = ""
    missing_values: tuple[str, ...] = ()
    unreadable: int = 0


def has_numeric_codes(texts: pa.ChunkedArray) -> bool:
    """Return whether a column contains codes that a conversion to numbers would change.

    These are leading zeros, integers with more digits than a float keeps, columns of phone numbers, and codes such as
    1E2 among codes of the same length.

    >>> has_numeric_codes(pa.chunked_array([["00501", "10001"]]))
    True
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    if _are_phone_numbers(trimmed) or _have_exponent_codes(trimmed):
        return True
    return any(_any(pc.match_substring_regex(trimmed, pattern)) for pattern in (_LEADING_ZERO, _LONG_INTEGER))


def parse_column(texts: pa.ChunkedArray, name: str, comma_separated: bool) -> ParsedColumn:
    """Parse a text column as numbers if nearly all of its values are numbers.

    Parameters
    ----------
    texts : ChunkedArray of string or dictionary of string
    name : str
        Column name, for the note.
    comma_separated : bool
        Whether commas separate the columns of the file.

    Examples
    --------
    >>> parse_column(pa.chunked_array([["1,5 kg", "2,25 kg"]]), "weight", comma_separated=False).numbers.to_pylist()
    [1.5, 2.25]
    """
    not_numeric = ParsedColumn(None, NumberFormat.DECIMAL_POINT, "")
    sample = _sample(texts)
    if len(sample) == 0:
        return not_numeric
    if _count_possible_numbers(sample) < MIN_NUMERIC_SHARE / 2 * len(sample) - 1:
        return not_numeric._replace(note=_note_on_units(pc.utf8_trim_whitespace(sample), name))
    trimmed = pc.utf8_trim_whitespace(pc.cast(texts, pa.string()))
    bare = _strip_units(trimmed)
    if bare is None:
        return not_numeric._replace(note=_note_on_units(trimmed, name))
    if _are_phone_numbers(trimmed) or has_numeric_codes(bare):
        return not_numeric

    number_format = _tally(bare).infer_format(comma_separated)
    float_texts, is_number = _to_float_texts(bare, number_format)
    is_missing = _is_missing(trimmed)
    numbers = _count(is_number)
    present = len(trimmed) - trimmed.null_count - _count(is_missing)
    if numbers == 0 or numbers < MIN_NUMERIC_SHARE * present:
        return ParsedColumn(None, number_format, _note_on_other_values(trimmed, is_number, is_missing, name))
    if _has_letter_codes(trimmed, is_number, is_missing):
        examples = _list_examples(trimmed, pc.invert(pc.or_(is_number, is_missing)))
        note = f"{name} stays text: it contains codes ({examples}). To read numbers only, set its kind under `columns`."
        return ParsedColumn(None, number_format, note)
    notes = [_note_on_stripped_units(trimmed, bare, name), _note_on_missing(trimmed, is_number, is_missing, name)]
    return ParsedColumn(
        numbers=_to_floats(float_texts, is_number),
        number_format=number_format,
        note=" ".join(filter(None, notes)),
        unit=_common_unit(trimmed),
        missing_values=tuple(pc.unique(trimmed.filter(is_missing)).to_pylist()),
        unreadable=_count(pc.and_(pc.invert(is_number), pc.invert(is_missing))),
    )


class ParsedValues(NamedTuple):
    """The values of a text column, each parsed independently of the others.

    Attributes
    ----------
    numbers : ChunkedArray of float64
        Null where a value is not a number.
    is_missing : ChunkedArray of bool
        Whether each value is null or a missing code.
    """

    numbers: pa.ChunkedArray
    is_missing: pa.ChunkedArray


def parse_values(texts: pa.ChunkedArray, number_format: NumberFormat, unit: str = "") -> ParsedValues:
    """Parse each value as a number in the given format and unit.

    Parameters
    ----------
    texts : ChunkedArray of string
    number_format : NumberFormat
    unit : str
        The unit that every number has; numbers in another unit are not parsed. A currency may be left out.

    Examples
    --------
    >>> parse_values(pa.chunked_array([["1,5 kg", "2,0 lb"]]), NumberFormat.DECIMAL_COMMA, "kg").numbers.to_pylist()
    [1.5, None]
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    float_texts, is_number = _to_float_texts(_strip_unit(trimmed, unit), number_format)
    is_missing = pc.or_(pc.is_null(trimmed), _is_missing(trimmed))
    return ParsedValues(_to_floats(float_texts, is_number), is_missing)


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
    if not _tally(trimmed).may_use_point_thousands:
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
    if not _tally(trimmed).may_use_point_thousands:
        return None
    present = pc.unique(trimmed.drop_null())
    if _any(pc.match_substring_regex(present, _SEVERAL_POINTS)):
        return _parse_thousands(trimmed)
    with_point = _count(pc.match_substring(present, "."))
    small = _count(pc.match_substring_regex(present, r"^[+-]?\d{1,3}$"))
    large = len(present) - with_point - small
    return _parse_thousands(trimmed) if with_point >= _MIN_WITH_POINT and small and not large else None


def _parse_thousands(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.replace_substring_regex(trimmed, r"^\+|\.", ""), pa.int64())


def tally(texts: pa.ChunkedArray) -> NumberTally:
    """Tally the number formats of a text column or a part of it."""
    trimmed = pc.utf8_trim_whitespace(pc.cast(texts, pa.string()))
    bare = _strip_units(trimmed)
    return NumberTally(present=len(texts) - texts.null_count) if bare is None else _tally(bare)


def _tally(bare: pa.ChunkedArray) -> NumberTally:
    values = bare.drop_null()
    present = values.filter(pc.invert(_is_missing(values)))
    is_integer = pc.match_substring_regex(present, _INTEGER)
    is_float = pc.match_substring_regex(present, _FLOAT)
    return NumberTally(
        values=len(values),
        present=len(present),
        decimal_comma=_count(pc.match_substring_regex(present, _DECIMAL_COMMA)),
        certain_decimal_comma=_count(pc.and_(pc.match_substring(present, ","), pc.invert(is_integer))),
        decimal_point=_count(pc.or_(is_float, pc.match_substring_regex(present, _COMMA_THOUSANDS))),
        certain_comma_thousands=_count(pc.match_substring_regex(present, _CERTAIN_COMMA_THOUSANDS)),
        integers=_count(is_integer),
        with_point=_count(pc.match_substring(values, ".")),
    )


def _sample(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the first values that are not null, as strings."""
    sample = texts[: 2 * _SAMPLE_ROWS].drop_null()[:_SAMPLE_ROWS]
    if len(sample) < _SAMPLE_ROWS:
        sample = texts.drop_null()[:_SAMPLE_ROWS]
    return pc.cast(sample, pa.string())


def _count_possible_numbers(sample: pa.ChunkedArray) -> int:
    """Return how many values are missing codes or numbers in any format."""
    trimmed = pc.utf8_trim_whitespace(sample)
    bare = _strip_units(trimmed)
    if bare is None:
        return 0
    matches = _is_missing(trimmed)
    for pattern in (_FLOAT, _COMMA_THOUSANDS, _DECIMAL_COMMA):
        matches = pc.or_(matches, pc.match_substring_regex(bare, pattern))
    return _count(matches)


def _are_phone_numbers(trimmed: pa.ChunkedArray) -> bool:
    """Return whether every value is a plus sign and many digits. Amounts are not written with a plus sign."""
    present = trimmed.drop_null()
    return len(present) > 0 and bool(pc.all(pc.match_substring_regex(present, _PHONE_NUMBER)).as_py())


def _have_exponent_codes(trimmed: pa.ChunkedArray) -> bool:
    """Return whether a column of codes of one length contains a code such as 1E2 that reads as a number.

    Numbers in exponent notation have a point or a sign, or differ in length from the other numbers.
    """
    present = trimmed.drop_null()
    looks_like_exponent = pc.match_substring_regex(present, _EXPONENT_CODE)
    if not _any(looks_like_exponent) or not pc.all(pc.match_substring_regex(present, _ALPHANUMERIC)).as_py():
        return False
    lengths = pc.unique(pc.utf8_length(present))
    return len(lengths) == 1 and not pc.all(looks_like_exponent).as_py()


def _has_letter_codes(trimmed: pa.ChunkedArray, is_number: pa.ChunkedArray, is_missing: pa.ChunkedArray) -> bool:
    """Return whether all non-numeric values of a column are codes such as V57, with at least two distinct ones."""
    others = pc.unique(trimmed.filter(pc.invert(pc.or_(is_number, is_missing))))
    return len(others) >= _MIN_LETTER_CODES and bool(pc.all(pc.match_substring_regex(others, _LETTER_CODE)).as_py())


def _is_missing(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(MISSING_CODES))


def _to_float_texts(bare: pa.ChunkedArray, number_format: NumberFormat) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Rewrite numbers as `float` reads them, and return which values are numbers."""
    if number_format is NumberFormat.DECIMAL_COMMA:
        float_texts = pc.replace_substring(pc.replace_substring(bare, ".", ""), ",", ".")
        return float_texts, pc.match_substring_regex(bare, _DECIMAL_COMMA)
    is_float = pc.match_substring_regex(bare, _FLOAT)
    if number_format is NumberFormat.DECIMAL_POINT:
        return bare, is_float
    float_texts = pc.if_else(is_float, bare, pc.replace_substring(bare, ",", ""))
    return float_texts, pc.or_(is_float, pc.match_substring_regex(bare, _COMMA_THOUSANDS))


def _to_floats(float_texts: pa.ChunkedArray, is_number: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.if_else(is_number, float_texts, pa.scalar(None, pa.string())), pa.float64())


def _strip_units(trimmed: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return the values without units, spaces or apostrophes between thousands; other texts are unchanged.

    A minus sign may also be typographic, follow the number, or be a pair of parentheses.

    Returns
    -------
    ChunkedArray of string or None
        None if the numbers have different units, e.g. kg and g, and cannot be compared.
    """
    normalized = _normalize_characters(trimmed)
    has_unit = _match_numbers_with_units(normalized)
    if not _any(has_unit):
        return trimmed
    units = _unique_units(normalized.filter(has_unit))
    # A price may lack its currency. A number without a unit of measure is a different quantity.
    is_mixed_with_bare_numbers = "" in units and not units <= {"", *_CURRENCIES}
    if len(units - {""}) > 1 or is_mixed_with_bare_numbers:
        return None
    return _replace_numbers_with_units(trimmed, normalized, has_unit)


def _strip_unit(trimmed: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    """Return the values without this unit, spaces or apostrophes between thousands; other texts are unchanged."""
    normalized = _normalize_characters(trimmed)
    has_unit = _match_numbers_with_units(normalized)
    if not _any(has_unit):
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


def _match_numbers_with_units(normalized: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether each value is a number, with or without a unit."""
    starts_as_number = pc.fill_null(pc.match_substring_regex(normalized, _NUMBER_START), False)
    if not _any(starts_as_number):  # the pattern below takes milliseconds to compile
        return starts_as_number
    matches = pc.match_substring_regex(normalized, _NUMBER_WITH_UNIT)
    has_short_unit = pc.less_equal(pc.utf8_length(_units_of(normalized)), _MAX_UNIT_LENGTH)
    return pc.fill_null(pc.and_(matches, has_short_unit), False)


def _normalize_characters(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace typographic spaces, apostrophes and minus signs by their ASCII forms, and m2 by m²."""
    for pattern, replacement in _CHARACTER_VARIANTS:
        trimmed = pc.replace_substring_regex(trimmed, pattern, replacement)
    return trimmed


def _units_of(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(numbers, r"[\d.,' ()+-]", "")


def _unique_units(numbers: pa.ChunkedArray) -> set[str]:
    """Return the different units, in the singular: "days" and "day" are one unit."""
    return set(map(_singular, pc.unique(_units_of(numbers)).to_pylist()))


def _singular(unit: str | None) -> str:
    unit = unit or ""
    return unit[:-1] if len(unit) >= _MIN_PLURAL_LENGTH and unit.endswith("s") else unit


def _common_unit(trimmed: pa.ChunkedArray) -> str:
    """Return the unit of the numbers of a column that `_strip_units` accepts; empty for bare numbers."""
    normalized = _normalize_characters(trimmed)
    return max(_unique_units(normalized.filter(_match_numbers_with_units(normalized))), default="", key=len)


def _note_on_units(trimmed: pa.ChunkedArray, name: str) -> str:
    """Return a note on a column of numbers with different units, which stays text; empty for other columns."""
    normalized = _normalize_characters(trimmed)
    if pc.count_distinct(normalized).as_py() <= _MAX_CATEGORIES:
        return ""
    has_unit = _match_numbers_with_units(normalized)
    if _count(has_unit) < MIN_NUMERIC_SHARE * (len(normalized) - normalized.null_count):
        return ""
    units = sorted(unit or "none" for unit in _unique_units(normalized.filter(has_unit)))
    has_leading_zeros = _any(pc.match_substring_regex(normalized, r"^0\d"))  # codes rather than numbers
    if not 1 < len(units) <= _MAX_LISTED_UNITS or has_leading_zeros:
        return ""
    return f"{name} stays text: its numbers have different units ({', '.join(units)}). Convert them to one unit."


def _note_on_other_values(
    trimmed: pa.ChunkedArray, is_number: pa.ChunkedArray, is_missing: pa.ChunkedArray, name: str
) -> str:
    """Return a note on a column that stays text though half of it are numbers, e.g. due to limits such as <0.5."""
    is_other = pc.and_(pc.invert(is_number), pc.invert(is_missing))
    others = _count(is_other)
    if 2 * others > _count(is_number) + others or pc.count_distinct(trimmed).as_py() <= _MAX_CATEGORIES:
        return ""
    return f"{name} stays text: {others:,} of its values are not numbers ({_list_examples(trimmed, is_other)})."


def _note_on_stripped_units(trimmed: pa.ChunkedArray, bare: pa.ChunkedArray, name: str) -> str:
    is_changed = pc.fill_null(pc.not_equal(trimmed, bare), False)
    if not _any(is_changed):
        return ""
    before, after = (texts.filter(is_changed)[0].as_py() for texts in (trimmed, bare))
    return f"{name} is numeric: {before!r} is read as {after}."


def _note_on_missing(
    trimmed: pa.ChunkedArray, is_number: pa.ChunkedArray, is_missing: pa.ChunkedArray, name: str
) -> str:
    """Return a note on the values of a numeric column that are read as missing."""
    notes = []
    is_other = pc.and_(pc.invert(is_number), pc.invert(is_missing))
    if _any(is_other):
        examples = _list_examples(trimmed, is_other)
        count = _count(is_other)
        verbs = "value of {} is not a number and counts" if count == 1 else "values of {} are not numbers and count"
        notes.append(f"{count:,} {verbs.format(name)} as missing ({examples})")
    is_code = pc.and_(is_missing, pc.not_equal(trimmed, ""))
    if _any(is_code):
        notes.append(f"{_list_examples(trimmed, is_code)} in {name} count as missing")
    return "; ".join(notes) + "." if notes else ""


def _list_examples(texts: pa.ChunkedArray, mask: pa.ChunkedArray) -> str:
    examples = pc.unique(texts.filter(mask))[:_MAX_EXAMPLES].to_pylist()
    return ", ".join(map(repr, examples))


def _any(mask: pa.ChunkedArray) -> bool:
    return bool(pc.any(mask).as_py())


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0
