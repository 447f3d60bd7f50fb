"""Lines that are no rows: of units below the header, of totals below a table."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from lib.data.dictionaries import is_text
from lib.data.numerals import MISSING
from lib.data.plain import is_number

_TOTAL = re.compile(
    r"((grand|sub|column)[ -]?)?totals?( g[eé]n[eé]ral)?|sum|summe|(gesamt|zwischen)(summe)?|insgesamt|totale|totaal|"
    r"somme|suma|celkem|итого|всего|合計|总计|小計|합계",
    re.IGNORECASE,
)
_UNIT = re.compile(r"[^\W\d]{1,4}([/²³^]\w*)?")
_NO_VALUE = re.compile(
    r"|[-[(<].*|(var)?char(acter)?|str(ing)?|text|int(eger)?|float|double|num(eric|ber)?|bool(ean)?|date|object|category",
    re.IGNORECASE,
)
_PRECISION = 1e-6


def without_units(guessed: pa.Table, table: pa.Table, line: int) -> tuple[pa.Table, pa.Table, str]:
    """Tables without a first row that only says in what the columns are, and a note on it.

    That is one without a number, in which columns of numbers have their only word, a unit or a type; and so has one
    column alone where all other cells are empty, in brackets, or name a type.

    Parameters
    ----------
    guessed, table : pyarrow.Table
        As pyarrow reads it, and with numbers in it.
    line : int
        Of the first row in its file.
    """
    if table.num_rows < 3:
        return guessed, table, ""
    first = {name: str(guessed[name][0].as_py() or "").strip() for name in guessed.column_names}
    numbers = [name for name in table.column_names if is_number(table.schema.field(name).type)]
    words = [name for name in numbers if first[name] and not table[name][0].is_valid and is_text(guessed[name].type)]
    others = [word for name, word in first.items() if name not in numbers]
    units = [first[name] for name in words if first[name].casefold() not in MISSING]
    is_of_units = (
        0 < len(units) == len([name for name in numbers if first[name]])
        and all(_UNIT.fullmatch(unit) or _NO_VALUE.fullmatch(unit) for unit in units)
        and (len(units) > 1 or all(map(_NO_VALUE.fullmatch, others)))
        and all(table[name].null_count - guessed[name].null_count == 1 for name in words)
    )
    if not is_of_units:
        return guessed, table, ""
    said = ", ".join(repr(word) for word in first.values() if word)
    return guessed[1:], table[1:], f"Line {line:,} says in what the columns are ({said}): it was left out."


def without_total(guessed: pa.Table, table: pa.Table, names: list[str], line: int) -> tuple[pa.Table, str]:
    """Table without a last row that is surely the sum of the others, and a note where it may be one.

    Parameters
    ----------
    guessed, table : pyarrow.Table
        As pyarrow reads it, and with numbers in it.
    names : list of str
        Of the columns, by their place in the header.
    line : int
        Of the last row in its file.
    """
    last = {name: str(guessed[name][-1].as_py() or "").strip().rstrip(":") for name in guessed.column_names}
    said = next((name for name, word in last.items() if _TOTAL.fullmatch(word)), None)
    if said is None or table.num_rows < 3:
        return table, ""
    told = f"Line {line:,}, the last, says {last[said]!r} in {names[int(said)]}"
    if pc.sum(pc.equal(pc.cast(guessed[said], pa.string()), guessed[said][-1].as_py())).as_py() > 1:
        return table, ""  # a word that comes again is one of the column's own
    summed = [name for name in table.column_names if _is_sum(table[name])]
    if not summed:
        return table, f"{told}: where it sums up the rows above, delete it."
    return table[:-1], f"{told} and the sum of the rows above in {names[int(summed[0])]}: it was left out."


def _is_sum(column: pa.ChunkedArray) -> bool:
    if not is_number(column.type):
        return False
    last, above = column[-1].as_py(), pc.sum(pc.cast(column[:-1], pa.float64())).as_py()
    return bool(last) and above is not None and abs(last - above) <= _PRECISION * abs(above)
