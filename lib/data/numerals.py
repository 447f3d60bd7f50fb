"""Numbers in texts: amounts, decimal commas, marks of a missing value; and codes, which only look like numbers."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from lib.data.counts import MOSTLY, Counts, Mark

# What stands for a missing value in any column: pyarrow's own list, and what MySQL and PostgreSQL write.
NULLS = (*arrow_csv.ConvertOptions().null_values, r"\N")
MISSING = ("", "-", "--", ".", "?", "n/a", "n.a.", "na", "nan", "null", "none", "nil", "#n/a", "<na>", "missing")
_PLAIN = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)$"
# Thousands as everywhere, or as in India: 12,34,567. 0,143 is none.
_GROUPED = r"([1-9]\d{0,2}(,\d{3})+|[1-9]\d?(,\d{2})+,\d{3})"
_AMOUNT = rf"^[+-]?({_GROUPED}|\d+)(\.\d+)?$"
_SURE_AMOUNT = rf"^[+-]?({_GROUPED}\.\d+|[1-9]\d{{0,2}}(,\d{{3}}){{2,}}|[1-9]\d?(,\d{{2}})+,\d{{3}})$"
_CURRENCIES = (*"$€£¥₹₽₺₪₩₴", "R$", "US$", "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "PLN", "zł", "Kč", "kr")
_MARK = "(?:" + "|".join(map(re.escape, (*_CURRENCIES, "%"))) + ")"
_LENGTH = "(?:[cdkm]?m|ft|in|yd)"
# How long a unit may be is no part of it: to compile so many of a class of all letters takes milliseconds.
_UNIT = r"[\pLµμΩ°²³/€$%‰₽₺₪₩₴]+"
_BEGUN = rf"^\(?[+-]?\s?(?:{_MARK}\s?)?[+-]?[\d.,]"
_MARKED = (
    rf"^\(?[+-]?\s?(?:{_MARK}\s?)?[+-]?(?:\d{{1,3}}(?:[ ']\d{{3}})+|\d[\d.,]*|[.,]\d+)(?:[.,]\d+)?"
    rf"(?:\s?{_UNIT}\.?)?-?\)?$"
)
_COMMA = r"(?i)^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?(e[+-]?\d+)?$"
_THOUSANDS = r"^[+-]?(0|[1-9]\d{0,2}([.,]\d{3})*)$"
_CODE = r"^[+-]?0(\d+([eE]\d+)?|[xX][\da-fA-F]+)$"
_LONG = r"^[+-]?\d{17,}$"
_PHONE = r"^\+[1-9]\d{6,14}$"
_SAMPLE = 1_000
_LONGEST_MARK = 12
# Few different values are names, whatever they begin with: 1Story and 1.5Fin.
_MOST_LEVELS = 30
_MOST_TOLD, _FEWEST_LETTERS_OF_A_PLURAL = 5, 4
SHORTEST_PHONE = 10**6
# Whole numbers above are not all floats.
LARGEST_EXACT = 2**53


def has_codes(texts: pa.ChunkedArray) -> bool:
    """Whether a column holds what would change as a number.

    Leading zeros, whole numbers too long for a float, or the plus before a telephone number.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    return _are_phones(trimmed) or any(_any(pc.match_substring_regex(trimmed, one)) for one in (_CODE, _LONG))


def as_numbers(texts: pa.ChunkedArray, name: str, comma: bool) -> tuple[pa.ChunkedArray | None, Mark, str]:
    """Numbers of a column of texts, None where it is one of words, their marks, and a note on what was read into them.

    Parameters
    ----------
    texts : ChunkedArray of string, plain or as a dictionary
    name : str
        Of the column, for the note.
    comma : bool
        Whether commas do not separate, so that they may stand before decimals without quotes.
    """
    sample = texts[: 2 * _SAMPLE].drop_null()[:_SAMPLE]
    sample = pc.cast(sample if len(sample) == _SAMPLE else texts.drop_null()[:_SAMPLE], pa.string())
    if len(sample) == 0:
        return None, Mark.PLAIN, ""
    if _counted(sample) < MOSTLY / 2 * len(sample) - 1:
        return None, Mark.PLAIN, _several(_spelt_alike(pc.utf8_trim_whitespace(sample)), name)
    trimmed = pc.utf8_trim_whitespace(pc.cast(texts, pa.string()))
    bare = _bare(trimmed)
    if bare is None:
        return None, Mark.PLAIN, _several(_spelt_alike(trimmed), name)
    if _are_phones(trimmed) or has_codes(bare):
        return None, Mark.PLAIN, ""
    mark = _counts(bare).mark(comma)
    clean, read = _clean(bare, mark)
    missing = _is_missing(trimmed)
    found, present = _count(read), len(trimmed) - trimmed.null_count - _count(missing)
    if found == 0 or found < MOSTLY * present:
        return None, mark, _words_among(trimmed, read, missing, name)
    notes = [_stripped(trimmed, bare, name), _note(trimmed, read, missing, name)]
    return _as_floats(clean, read), mark, " ".join(filter(None, notes))


def _are_phones(trimmed: pa.ChunkedArray) -> bool:
    """Whether all texts are a plus and many digits, as nobody writes amounts."""
    present = trimmed.drop_null()
    return len(present) > 0 and bool(pc.all(pc.match_substring_regex(present, _PHONE)).as_py())


def _words_among(trimmed: pa.ChunkedArray, read: pa.ChunkedArray, missing: pa.ChunkedArray, name: str) -> str:
    """A note on a column that stays text though half of it are numbers, as results below a limit: <0.5."""
    words = pc.and_(pc.invert(read), pc.invert(missing))
    if 2 * _count(words) > _count(read) + _count(words) or pc.count_distinct(trimmed).as_py() <= _MOST_LEVELS:
        return ""
    return f"{name} stays text: {_count(words):,} of its values are no numbers ({_some(trimmed, words)})."


def _stripped(trimmed: pa.ChunkedArray, bare: pa.ChunkedArray, name: str) -> str:
    changed = pc.fill_null(pc.not_equal(trimmed, bare), False)
    if not _any(changed):
        return ""
    before, after = (texts.filter(changed)[0].as_py() for texts in (trimmed, bare))
    return f"{name} is one of numbers: {before!r} counts as {after}."


def count(texts: pa.ChunkedArray) -> Counts:
    """Counts of a column of texts, or of a part of it."""
    trimmed = pc.utf8_trim_whitespace(pc.cast(texts, pa.string()))
    bare = _bare(trimmed)
    return Counts(present=len(texts) - texts.null_count) if bare is None else _counts(bare)


def each(texts: pa.ChunkedArray, mark: Mark) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Numbers of texts, each by itself and null where it is none, and which texts say that one is missing."""
    trimmed = pc.utf8_trim_whitespace(texts)
    bare = _bare(trimmed)
    return _as_floats(*_clean(trimmed if bare is None else bare, mark)), _is_missing(trimmed)


def _as_floats(clean: pa.ChunkedArray, read: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.if_else(read, clean, pa.scalar(None, pa.string())), pa.float64())


def _clean(bare: pa.ChunkedArray, mark: Mark) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Texts as `float` reads them, and which of them are numbers."""
    if mark is Mark.DECIMAL_COMMA:
        clean = pc.replace_substring(pc.replace_substring(bare, ".", ""), ",", ".")
        return clean, pc.match_substring_regex(bare, _COMMA)
    plain = pc.match_substring_regex(bare, _PLAIN)
    if mark is Mark.PLAIN:
        return bare, plain
    clean = pc.if_else(plain, bare, pc.replace_substring(bare, ",", ""))
    return clean, pc.or_(plain, pc.match_substring_regex(bare, _AMOUNT))


def _counts(bare: pa.ChunkedArray) -> Counts:
    values = bare.drop_null()
    present = values.filter(pc.invert(_is_missing(values)))
    of_thousands = pc.match_substring_regex(present, _THOUSANDS)
    return Counts(
        present=len(present),
        numbers=_count(pc.match_substring_regex(present, _COMMA)),
        sure=_count(pc.and_(pc.match_substring(present, ","), pc.invert(of_thousands))),
        texts=len(values),
        thousands=_count(of_thousands),
        points=_count(pc.match_substring(values, ".")),
        amounts=_count(pc.or_(pc.match_substring_regex(present, _PLAIN), pc.match_substring_regex(present, _AMOUNT))),
        sure_amounts=_count(pc.match_substring_regex(present, _SURE_AMOUNT)),
    )


def _bare(trimmed: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Texts less what stands around a number: a currency, a unit, blanks or apostrophes between thousands.

    A minus may also be typographic, stand behind the number, or be a pair of brackets. None where the marks differ, so
    that the numbers are of several kinds: of two currencies, in kg and in g, or some of them percent.
    """
    signed = _spelt_alike(trimmed)
    marked = _are_marked(signed)
    if not _any(marked):
        return trimmed
    marks = _marks(signed.filter(marked))
    # A price may well lack its currency; a number without its unit is another.
    if len(marks - {""}) > 1 or "" in marks and not marks <= {"", *_CURRENCIES}:
        return None
    is_negative = pc.match_substring_regex(signed, r"^\(.*\)$|-")
    digits = pc.utf8_rtrim(pc.replace_substring_regex(signed, r"[^\d.,]", ""), ".")
    return pc.if_else(marked, pc.if_else(is_negative, pc.binary_join_element_wise("-", digits, ""), digits), trimmed)


def _are_marked(signed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each text is a number with what may stand around one."""
    begun = pc.fill_null(pc.match_substring_regex(signed, _BEGUN), False)
    # To compile the whole pattern takes longer than to hold it against a thousand texts.
    if not _any(begun):
        return begun
    marked = pc.match_substring_regex(signed, _MARKED)
    return pc.fill_null(pc.and_(marked, pc.less_equal(pc.utf8_length(_around(signed)), _LONGEST_MARK)), False)


def _spelt_alike(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts with the plain one of each sign that has several: blanks, apostrophes, minus; m2 as m²."""
    for pattern, sign in (
        ("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]", ""),
        ("[\u00a0\u202f\u2009]", " "),
        ("\u2019", "'"),
        ("[\u2212\u2013]", "-"),
        (rf"(\d ?{_LENGTH})2$", r"\1²"),
        (rf"(\d ?{_LENGTH})3$", r"\1³"),
    ):
        trimmed = pc.replace_substring_regex(trimmed, pattern, sign)
    return trimmed


def _around(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """What stands around each number."""
    return pc.replace_substring_regex(numbers, r"[\d.,' ()+-]", "")


def _marks(numbers: pa.ChunkedArray) -> set[str]:
    """What stands around numbers, in the singular."""
    found = set(pc.unique(_around(numbers)).to_pylist())
    return {one[:-1] if len(one) >= _FEWEST_LETTERS_OF_A_PLURAL and one.endswith("s") else one for one in found}


def _several(signed: pa.ChunkedArray, name: str) -> str:
    """A note on a column of numbers in several units, which stays text."""
    if pc.count_distinct(signed).as_py() <= _MOST_LEVELS:
        return ""
    marked = _are_marked(signed)
    if _count(marked) < MOSTLY * (len(signed) - signed.null_count):
        return ""
    marks = sorted(one or "none" for one in _marks(signed.filter(marked)))
    if not 1 < len(marks) <= _MOST_TOLD or _any(pc.match_substring_regex(signed, r"^0\d")):
        return ""
    return f"{name} stays text: its numbers are in several units ({', '.join(marks)}). Write them in one."


def thousands(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Numbers of a column whose points all part thousands, in a file whose decimal mark is the comma; else None."""
    trimmed = pc.utf8_trim_whitespace(texts)
    if not _counts(trimmed).are_thousands:
        return None
    return pc.cast(pc.replace_substring_regex(trimmed, r"^\+|\.", ""), pa.int64())


def _counted(sample: pa.ChunkedArray) -> int:
    """Texts that may be numbers, or say that one is missing."""
    trimmed = pc.utf8_trim_whitespace(sample)
    bare = _bare(trimmed)
    if bare is None:
        return 0
    read = pc.or_(pc.match_substring_regex(bare, _PLAIN), pc.match_substring_regex(bare, _AMOUNT))
    read = pc.or_(read, pc.match_substring_regex(bare, _COMMA))
    return _count(pc.or_(read, _is_missing(trimmed)))


def _is_missing(trimmed: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(MISSING))


def _note(trimmed: pa.ChunkedArray, read: pa.ChunkedArray, missing: pa.ChunkedArray, name: str) -> str:
    said = []
    unread = pc.and_(pc.invert(read), pc.invert(missing))
    if _any(unread):
        said.append(
            f"{_count(unread):,} values of {name} are no numbers and count as missing ({_some(trimmed, unread)})"
        )
    marks = pc.and_(missing, pc.not_equal(trimmed, ""))
    if _any(marks):
        said.append(f"{_some(trimmed, marks)} in {name} count as missing")
    return "; ".join(said) + "." if said else ""


def _some(texts: pa.ChunkedArray, where: pa.ChunkedArray) -> str:
    return ", ".join(repr(one) for one in pc.unique(texts.filter(where))[:3].to_pylist())


def _any(mask: pa.ChunkedArray) -> bool:
    return bool(pc.any(mask).as_py())


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0
