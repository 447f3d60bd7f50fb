"""Detection of rows that are not data: units below the header, and a total below the table."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.missing_codes import MISSING_CODES
from lib.tables.files.arrow_numpy import is_number
from lib.tables.files.categoricals import is_text

_TOTAL_LABEL = re.compile(
    r"((grand|sub|column)[ -]?)?totals?( g[eé]n[eé]ral)?|sum|summe|(gesamt|zwischen)(summe)?|insgesamt|totale|totaal|"
    r"somme|suma|celkem|итого|всего|合計|总计|小計|합계",
    re.IGNORECASE,
)
_UNIT = re.compile(r"[^\W\d]{1,4}([/²³^]\w*)?")
# Empty, in brackets, or the name of a type.
_TYPE_OR_EMPTY = re.compile(
    r"|[-[(<].*|(var)?char(acter)?|str(ing)?|text|int(eger)?|float|double|num(eric|ber)?|bool(ean)?|date|object|category",
    re.IGNORECASE,
)
_MIN_ROWS = 3
_RELATIVE_TOLERANCE = 1e-6


def drop_unit_row(inferred: pa.Table, parsed: pa.Table, line: int) -> tuple[pa.Table, pa.Table, str]:
    """Drop the first row if it contains the columns' units or types instead of values.

    Parameters
    ----------
    inferred : pyarrow.Table
        Rows in the column types that pyarrow inferred.
    parsed : pyarrow.Table
        The same rows, with the numbers in text columns parsed.
    line : int
        Line number of the first row in the file.

    Returns
    -------
    inferred, parsed : pyarrow.Table
    note : str
        Empty if nothing was dropped.
    """
    if parsed.num_rows < _MIN_ROWS or not _is_unit_row(inferred, parsed):
        return inferred, parsed, ""
    cells = ", ".join(repr(cell) for cell in get_row_texts(inferred, 0).values() if cell)
    return inferred[1:], parsed[1:], f"Line {line:,} contains units or types ({cells}) and was left out."


def _is_unit_row(inferred: pa.Table, parsed: pa.Table) -> bool:
    """Return whether the first row contains units or types, each the only word in a column of numbers.

    A unit in a single column could be a value, so it counts only if all other cells are empty, in brackets, or types.
    """
    first_row = get_row_texts(inferred, 0)
    number_columns = [name for name in parsed.column_names if is_number(parsed.schema.field(name).type)]
    columns_with_word = [
        name
        for name in number_columns
        if first_row[name] and not parsed[name][0].is_valid and is_text(inferred[name].type)
    ]
    units = [first_row[name] for name in columns_with_word if first_row[name].casefold() not in MISSING_CODES]
    other_cells = [cell for name, cell in first_row.items() if name not in number_columns]
    return (
        len(units) > 0
        and len(units) == sum(bool(first_row[name]) for name in number_columns)
        and all(_UNIT.fullmatch(unit) or _TYPE_OR_EMPTY.fullmatch(unit) for unit in units)
        and (len(units) > 1 or all(map(_TYPE_OR_EMPTY.fullmatch, other_cells)))
        and all(parsed[name].null_count - inferred[name].null_count == 1 for name in columns_with_word)
    )


def drop_total_row(inferred: pa.Table, parsed: pa.Table, header: list[str], line: int) -> tuple[pa.Table, str]:
    """Drop the last row if it is labelled as a total and sums up the rows above in at least one column.

    Parameters
    ----------
    inferred : pyarrow.Table
        Rows in the column types that pyarrow inferred.
    parsed : pyarrow.Table
        The same rows, with the numbers in text columns parsed.
    header : list of str
        Column names. Both tables name their columns by position in this list: "0", "1", ...
    line : int
        Line number of the last row in the file.

    Returns
    -------
    parsed : pyarrow.Table
    note : str
        A sentence on the dropped row, or on a row that is labelled as a total but is no sum, and stays; else empty.
    """
    if parsed.num_rows < _MIN_ROWS:
        return parsed, ""
    last_row = {name: cell.rstrip(":") for name, cell in get_row_texts(inferred, -1).items()}
    label_column = next((name for name, cell in last_row.items() if _TOTAL_LABEL.fullmatch(cell)), None)
    if label_column is None:
        return parsed, ""
    labels = inferred[label_column]
    if pc.sum(pc.equal(pc.cast(labels, pa.string()), labels[-1].as_py())).as_py() > 1:
        return parsed, ""  # the word occurs in other rows too: it is one of the column's values
    label = f"The last line, {line:,}, contains {last_row[label_column]!r} in {header[int(label_column)]}"
    sum_columns = [name for name in parsed.column_names if _ends_with_sum(parsed[name])]
    if not sum_columns:
        return parsed, f"{label}: if this line sums up the rows above, delete the line."
    sum_name = header[int(sum_columns[0])]
    return parsed[:-1], f"{label} and the sum of the rows above in {sum_name}, so the line was left out."


def find_total_label(row: Mapping[str, str]) -> str:
    """Return the word that labels a row as a total, or an empty string."""
    return next((cell for cell in row.values() if _TOTAL_LABEL.fullmatch(cell.rstrip(":"))), "")


def get_row_texts(table: pa.Table, row: int) -> dict[str, str]:
    """Return the cells of a row as stripped strings, by column; empty for null."""
    return {name: str(table[name][row].as_py() or "").strip() for name in table.column_names}


def _ends_with_sum(column: pa.ChunkedArray) -> bool:
    """Return whether the last number of a column is the sum of the numbers above it."""
    if not is_number(column.type):
        return False
    last, sum_above = column[-1].as_py(), pc.sum(pc.cast(column[:-1], pa.float64())).as_py()
    return bool(last) and sum_above is not None and abs(last - sum_above) <= _RELATIVE_TOLERANCE * abs(sum_above)
