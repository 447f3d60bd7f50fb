"""Notes on columns of numbers: what was changed, read as missing, or left as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.masks import any_true, count_true
from lib.schema.number_format import MIN_NUMERIC_SHARE
from lib.schema.units import find_distinct_units, match_numbers, normalize_characters

# A column with at most this many different values is categorical, even if they start with digits (1Story, 1.5Fin).
_MAX_CATEGORIES = 30
_MAX_LISTED_UNITS, _MAX_EXAMPLES = 5, 3


def note_on_units(trimmed: pa.ChunkedArray, name: str) -> str:
    """Return a note if a column stays text because its numbers have different units; otherwise an empty text."""
    if pc.count_distinct(trimmed).as_py() <= _MAX_CATEGORIES:
        return ""
    normalized = normalize_characters(trimmed)
    if pc.count_distinct(normalized).as_py() <= _MAX_CATEGORIES:
        return ""
    is_number = match_numbers(normalized)
    if count_true(is_number) < MIN_NUMERIC_SHARE * (len(normalized) - normalized.null_count):
        return ""
    units = sorted(unit or "none" for unit in find_distinct_units(normalized.filter(is_number)))
    has_leading_zeros = any_true(pc.match_substring_regex(normalized, r"^0\d"))  # codes rather than numbers
    if not 1 < len(units) <= _MAX_LISTED_UNITS or has_leading_zeros:
        return ""
    return f"{name} stays text: its numbers have different units ({', '.join(units)}). Convert them to one unit."


def note_on_other_values(
    trimmed: pa.ChunkedArray, is_number: pa.ChunkedArray, is_missing: pa.ChunkedArray, name: str
) -> str:
    """Return a note on a column that stays text although at least half of its values are numbers; else an empty text.

    Such columns often contain limits such as <0.5.
    """
    is_other = pc.and_(pc.invert(is_number), pc.invert(is_missing))
    other_count = count_true(is_other)
    if 2 * other_count > count_true(is_number) + other_count or pc.count_distinct(trimmed).as_py() <= _MAX_CATEGORIES:
        return ""
    clause = "value is not a number" if other_count == 1 else "of its values are not numbers"
    return f"{name} stays text: {other_count:,} {clause} ({list_examples(trimmed, is_other)})."


def note_on_stripped_units(trimmed: pa.ChunkedArray, bare: pa.ChunkedArray, name: str) -> str:
    """Return a note with an example of a number whose unit was stripped; empty if no unit was stripped."""
    is_changed = pc.fill_null(pc.not_equal(trimmed, bare), False)
    if not any_true(is_changed):
        return ""
    before, after = (texts.filter(is_changed)[0].as_py() for texts in (trimmed, bare))
    return f"{name} is numeric: {before!r} is read as {after}."


def note_on_missing(
    trimmed: pa.ChunkedArray, is_number: pa.ChunkedArray, is_missing: pa.ChunkedArray, name: str
) -> str:
    """Return a note on the values of a numeric column that count as missing; empty if there are none."""
    notes = []
    is_other = pc.and_(pc.invert(is_number), pc.invert(is_missing))
    if any_true(is_other):
        examples = list_examples(trimmed, is_other)
        count = count_true(is_other)
        if count == 1:
            notes.append(f"1 value of {name} is not a number and counts as missing ({examples})")
        else:
            notes.append(f"{count:,} values of {name} are not numbers and count as missing ({examples})")
    is_code = pc.and_(is_missing, pc.not_equal(trimmed, ""))
    if any_true(is_code):
        verb = "counts" if pc.count_distinct(trimmed.filter(is_code)).as_py() == 1 else "count"
        notes.append(f"{list_examples(trimmed, is_code)} in {name} {verb} as missing")
    return "; ".join(notes) + "." if notes else ""


def list_examples(texts: pa.ChunkedArray, mask: pa.ChunkedArray) -> str:
    """Return up to three different texts where the mask is true."""
    examples = pc.unique(texts.filter(mask))[:_MAX_EXAMPLES].to_pylist()
    return ", ".join(map(repr, examples))
