"""The line of totals that spreadsheets put below a table, which is no row of it."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_TOTAL = re.compile(
    r"((grand|sub|column)[ -]?)?totals?( g[eé]n[eé]ral)?|sum|summe|(gesamt|zwischen)(summe)?|insgesamt|totale|totaal|"
    r"somme|suma|celkem|итого|всего|合計|总计|小計|합계",
    re.IGNORECASE,
)
_PRECISION = 1e-6


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
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return False
    last, above = column[-1].as_py(), pc.sum(pc.cast(column[:-1], pa.float64())).as_py()
    return bool(last) and above is not None and abs(last - above) <= _PRECISION * abs(above)
