"""Errors and notes about rows that do not have one field for each column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lib.errors import DataError, format_count
from lib.tables.files.row_repair import RowFault

_MAX_LISTED_ROWS = 3
# More rows without a number or date than this are data with missing values, not headers of further tables.
_MAX_POSSIBLE_TABLES = 2


def check(path: Path, faults: Sequence[RowFault], row_count: int, column_count: int) -> None:
    """Check that every faulty row can be read in one way only.

    Parameters
    ----------
    path : Path
    faults : sequence of RowFault
    row_count : int
        Number of rows in the file.
    column_count : int
        Number of columns.

    Raises
    ------
    DataError
        If a row is too long, too short or shifted, a quote is not closed, or a second table begins. The message names
        the lines.
    """
    by_kind = {kind: [fault for fault in faults if fault.kind == kind and not fault.is_fixed] for kind in _KINDS}
    if tables := by_kind["table"]:
        raise second_table_error(path, tables[0], column_count)
    if quotes := by_kind["quote"]:
        raise DataError(
            f"{path}: a quote in line {quotes[0].line} is never closed. Fix that line: close the quote, or double "
            "it if it is part of a value."
        )
    if long := by_kind["long"]:
        raise DataError(_describe_long_rows(path, long, row_count, column_count))
    if surplus := by_kind["surplus"]:
        raise DataError(
            f"{path}: expected {column_count} fields, but {_list_rows(surplus)}. Which empty field is the surplus one "
            f"is ambiguous. Delete the surplus separator in {_these(surplus)}."
        )
    if short := by_kind["short"]:
        raise DataError(
            f"{path}: expected {column_count} fields, but {_list_rows(short)}. The values are shifted into other "
            f"columns, so a separator is missing within the line. Add the separator in {_these(short)}."
        )


_KINDS = ("table", "quote", "long", "surplus", "short")
# By kind of fault, and whether it was fixed.
_OUTCOMES = {
    ("short", True): "the missing last fields are read as empty",
    ("surplus", True): "surplus empty fields were left out so that all values fit their columns",
    ("spaces", True): "words without quotes were joined to one value with spaces",
    ("quote", True): "a quote within a value was read as part of the value",
    ("short", False): "the values are shifted into other columns, so a separator is missing within the line",
    ("surplus", False): "more than one empty field may be the surplus one",
    ("long", False): "there are more values than columns",
    ("quote", False): "a quote is never closed",
    ("table", False): "a second table begins there, and was left out",
}


def describe(faults: Sequence[RowFault], column_count: int) -> list[str]:
    """Return one note for each kind of fault.

    >>> describe([RowFault(7, "short", 5, True)], 8)
    ['Line 7 has 5 fields, expected 8: the missing last fields are read as empty.']
    """
    notes = _describe_possible_tables([fault for fault in faults if (fault.kind, fault.is_fixed) == ("table", True)])
    for (kind, is_fixed), outcome in _OUTCOMES.items():
        lines = [fault for fault in faults if (fault.kind, fault.is_fixed) == (kind, is_fixed)]
        if not lines:
            continue
        first = lines[0]
        counted = format_count(first.fields, "field")
        if kind == "quote" or first.fields == column_count:
            where = f"Line {first.line:,}" if len(lines) == 1 else f"{len(lines):,} rows, first line {first.line:,}"
        elif len(lines) == 1:
            where = f"Line {first.line:,} has {counted}, expected {column_count}"
        else:
            rows = f"{len(lines):,} rows, first line {first.line:,} with {counted},"
            where = f"{rows} do not have the expected {column_count}"
        notes.append(f"{where}: {outcome}.")
    return notes


def _describe_long_rows(path: Path, long_rows: Sequence[RowFault], row_count: int, column_count: int) -> str:
    if len(long_rows) == row_count:
        first = long_rows[0]
        return (
            f"{path}: the header has {column_count} names, but every row has more fields: line {first.line:,} has "
            f"{first.fields}. Name every column, and put quotes around values that contain the separator."
        )
    return f"{path}: expected {column_count} fields, but {_list_rows(long_rows)}. Fix {_these(long_rows)}."


def _describe_possible_tables(faults: Sequence[RowFault]) -> list[str]:
    """Return a note on rows that may be headers of further tables, if there are only a few."""
    if not 0 < len(faults) <= _MAX_POSSIBLE_TABLES:
        return []
    lines = " and ".join(f"{fault.line:,}" for fault in faults)
    subject = f"Line {lines} contains" if len(faults) == 1 else f"Lines {lines} contain"
    return [f"{subject} names only. If another table begins there, save each table in its own file."]


def second_table_error(path: Path, fault: RowFault, column_count: int) -> DataError:
    """Return the error for a line that begins a second table."""
    described = _describe_second_table(fault, column_count)
    return DataError(f"{path}: {described}. Save each table in its own file, or correct the line if it is data.")


def _describe_second_table(fault: RowFault, column_count: int) -> str:
    """Return the clause on the line that begins a second table."""
    if fault.fields != column_count:
        return (
            f"line {fault.line:,} begins a second table: it repeats names of the header but has "
            f"{format_count(fault.fields, 'field')}, expected {column_count}"
        )
    return (
        f"line {fault.line:,} begins a second table: it contains names, as a header does, below rows with numbers or "
        "dates"
    )


def _list_rows(faults: Sequence[RowFault]) -> str:
    listed = ", ".join(f"line {fault.line:,} has {fault.fields}" for fault in faults[:_MAX_LISTED_ROWS])
    hidden_count = len(faults) - _MAX_LISTED_ROWS
    return listed + (
        f", and {format_count(hidden_count, 'more line differs', 'more lines differ')}" if hidden_count > 0 else ""
    )


def _these(faults: Sequence[RowFault]) -> str:
    return "this line" if len(faults) == 1 else "these lines"
