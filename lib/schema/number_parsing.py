"""Parsing of the numbers in a text column: units, currencies, decimal commas and missing codes."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.masks import count_true
from lib.schema.missing_codes import match_missing_codes
from lib.schema.number_format import MIN_NUMERIC_SHARE, NumberFormat
from lib.schema.number_notes import (
    list_examples,
    note_on_missing,
    note_on_other_values,
    note_on_stripped_units,
    note_on_units,
)
from lib.schema.number_tally import COMMA_THOUSANDS_PATTERN, DECIMAL_COMMA_PATTERN, FLOAT_PATTERN, tally_bare
from lib.schema.numeric_codes import are_phone_numbers, has_letter_codes, has_numeric_codes
from lib.schema.units import find_common_unit, strip_required_unit, strip_units

MAX_EXACT_INTEGER = 2**53  # not all larger integers have an exact float
_SAMPLE_ROWS = 1_000


class ParsedColumn(NamedTuple):
    """A text column parsed as numbers.

    Attributes
    ----------
    numbers : ChunkedArray of float64 or None
        None if the column is not numeric.
    number_format : NumberFormat
    note : str
        Sentences for the user about changed values, or the reason why the column stays text; may be empty.
    unit : str
        The unit of the numbers; empty for bare numbers.
    missing_values : tuple of str
        Codes in the column that count as missing, such as ``n/a``.
    unreadable : int
        Number of values that are neither numbers nor missing codes. They count as missing too.
    """

    numbers: pa.ChunkedArray | None
    number_format: NumberFormat
    note: str
    unit: str = ""
    missing_values: tuple[str, ...] = ()
    unreadable: int = 0


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
    sample = _first_present_texts(texts)
    if len(sample) == 0:
        return not_numeric
    # A quick test: the sample of a numeric column contains at least half of the required share of numbers.
    if _count_possible_numbers(sample) < MIN_NUMERIC_SHARE / 2 * len(sample) - 1:
        return not_numeric._replace(note=note_on_units(pc.utf8_trim_whitespace(sample), name))
    trimmed = pc.utf8_trim_whitespace(pc.cast(texts, pa.string()))
    bare = strip_units(trimmed)
    if bare is None:
        return not_numeric._replace(note=note_on_units(trimmed, name))
    if are_phone_numbers(trimmed) or has_numeric_codes(bare):
        return not_numeric

    number_format = tally_bare(bare).infer_format(comma_separated)
    float_texts, is_number = _to_float_texts(bare, number_format)
    is_missing = match_missing_codes(trimmed)
    number_count = count_true(is_number)
    present_count = len(trimmed) - trimmed.null_count - count_true(is_missing)
    if number_count == 0 or number_count < MIN_NUMERIC_SHARE * present_count:
        return ParsedColumn(None, number_format, note_on_other_values(trimmed, is_number, is_missing, name))
    if has_letter_codes(trimmed, is_number, is_missing):
        examples = list_examples(trimmed, pc.invert(pc.or_(is_number, is_missing)))
        note = f"{name} stays text: it contains codes ({examples}). To read numbers only, set its kind under `columns`."
        return ParsedColumn(None, number_format, note)
    notes = [note_on_stripped_units(trimmed, bare, name), note_on_missing(trimmed, is_number, is_missing, name)]
    return ParsedColumn(
        numbers=_to_floats(float_texts, is_number),
        number_format=number_format,
        note=" ".join(filter(None, notes)),
        unit=find_common_unit(trimmed),
        missing_values=tuple(pc.unique(trimmed.filter(is_missing)).to_pylist()),
        unreadable=count_true(pc.and_(pc.invert(is_number), pc.invert(is_missing))),
    )


class ParsedValues(NamedTuple):
    """Numbers in a text column, each parsed independently of the other values.

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
        The unit that every number must have, unless the unit is a currency, which may be left out; empty: no unit.

    Examples
    --------
    >>> parse_values(pa.chunked_array([["1,5 kg", "2,0 lb"]]), NumberFormat.DECIMAL_COMMA, "kg").numbers.to_pylist()
    [1.5, None]
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    float_texts, is_number = _to_float_texts(strip_required_unit(trimmed, unit), number_format)
    is_missing = pc.or_(pc.is_null(trimmed), match_missing_codes(trimmed))
    return ParsedValues(_to_floats(float_texts, is_number), is_missing)


def _first_present_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the first 1,000 values that are not null, as strings."""
    sample = texts[: 2 * _SAMPLE_ROWS].drop_null()[:_SAMPLE_ROWS]
    if len(sample) < _SAMPLE_ROWS:
        sample = texts.drop_null()[:_SAMPLE_ROWS]
    return pc.cast(sample, pa.string())


def _count_possible_numbers(sample: pa.ChunkedArray) -> int:
    """Count the values that are missing codes or numbers in any format."""
    counts = pc.value_counts(sample)
    trimmed = pc.utf8_trim_whitespace(counts.field("values"))
    bare = strip_units(trimmed)
    if bare is None:
        return 0
    matches = match_missing_codes(trimmed)
    for pattern in (FLOAT_PATTERN, COMMA_THOUSANDS_PATTERN, DECIMAL_COMMA_PATTERN):
        matches = pc.or_(matches, pc.match_substring_regex(bare, pattern))
    return pc.sum(counts.field("counts").filter(matches)).as_py() or 0


def _to_float_texts(bare: pa.ChunkedArray, number_format: NumberFormat) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return the texts, with numbers rewritten in the format that `float` reads, and whether each is a number."""
    if number_format is NumberFormat.DECIMAL_COMMA:
        float_texts = pc.replace_substring(pc.replace_substring(bare, ".", ""), ",", ".")
        return float_texts, pc.match_substring_regex(bare, DECIMAL_COMMA_PATTERN)
    is_float = pc.match_substring_regex(bare, FLOAT_PATTERN)
    if number_format is NumberFormat.DECIMAL_POINT:
        return bare, is_float
    float_texts = pc.if_else(is_float, bare, pc.replace_substring(bare, ",", ""))
    return float_texts, pc.or_(is_float, pc.match_substring_regex(bare, COMMA_THOUSANDS_PATTERN))


def _to_floats(float_texts: pa.ChunkedArray, is_number: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert the texts that are numbers to floats, and the other texts to null."""
    return pc.cast(pc.if_else(is_number, float_texts, pa.scalar(None, pa.string())), pa.float64())
