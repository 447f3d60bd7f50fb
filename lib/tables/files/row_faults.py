"""Errors and notes about rows that do not have one field for each column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lib.errors import DataError
from lib.tables.files.row_repair import RowFault

_MAX_LISTED_ROWS = 3


def check(path: Path, faults: Sequence[RowFault], rows: int, width: int) -> None:
    """Check that every faulty row can be read in one way only.

    Parameters
    ----------
    path : Path
    faults : sequence of RowFault
    rows : int
        Number of rows in the file.
    width : int
        Number of columns.

    Raises
    ------
    DataError
        Naming the lines of rows that are too long, too short or shifted, of a quote that is not closed, or of the
        header of a second table.
    """
    by_kind = {kind: [fault for fault in faults if fault.kind == kind and not fault.is_fixed] for kind in _KINDS}
    if tables := by_kind["table"]:
        raise DataError(
            f"{path}: line {tables[0].line} begins a second table: it repeats names of the header but has "
            f"{tables[0].fields} fields, expected {width}. Save each table in its own file."
        )
    if quotes := by_kind["quote"]:
        raise DataError(
            f"{path}: a quote in line {quotes[0].line} is never closed. Fix that line: close the quote, or write it "
            "twice if it is part of a value."
        )
    if long := by_kind["long"]:
        raise DataError(_describe_long_rows(path, long, rows, width))
    if surplus := by_kind["surplus"]:
        raise DataError(
            f"{path}: expected {width} fields, but {_list_rows(surplus)}, and more than one of its empty fields may be "
            "the one too many. Delete a separator in these lines."
        )
    if short := by_kind["short"]:
        raise DataError(
            f"{path}: expected {width} fields, but {_list_rows(short)}, and its values fit other columns: a separator "
            "is missing within it. Fix these lines."
        )


_KINDS = ("table", "quote", "long", "surplus", "short")
# By kind of fault, and whether it was fixed.
_OUTCOMES = {
    ("short", True): "the missing last ones are empty",
    ("surplus", True): "empty ones were left out where all values then fit their columns",
    ("quote", True): "a quote within a value is part of it",
    ("short", False): "the values fit other columns, so a separator is missing within the row",
    ("surplus", False): "more than one empty field may be the one too many",
    ("long", False): "there are more values than columns",
    ("quote", False): "a quote is never closed",
    ("table", False): "a second table begins there and was left out",
}


def describe(faults: Sequence[RowFault], width: int) -> list[str]:
    """Return one note for each kind of fault.

    >>> describe([RowFault(7, "short", 5, True)], 8)
    ['Line 7 has 5 fields, expected 8: the missing last ones are empty.']
    """
    notes = []
    for (kind, is_fixed), outcome in _OUTCOMES.items():
        lines = [fault for fault in faults if (fault.kind, fault.is_fixed) == (kind, is_fixed)]
        if len(lines) == 1:
            notes.append(f"Line {lines[0].line:,} has {lines[0].fields} fields, expected {width}: {outcome}.")
        elif lines:
            notes.append(
                f"{len(lines):,} rows, first line {lines[0].line:,} with {lines[0].fields} fields, do not have the "
                f"expected {width}: {outcome}."
            )
    return notes


def _describe_long_rows(path: Path, long_rows: Sequence[RowFault], rows: int, width: int) -> str:
    if len(long_rows) == rows:
        return (
            f"{path}: every row has more fields ({long_rows[0].fields}) than the header has names ({width}). "
            "Name every column, and put quotes around values that contain the separator."
        )
    return f"{path}: expected {width} fields, but {_list_rows(long_rows)}. Fix these lines."


def _list_rows(faults: Sequence[RowFault]) -> str:
    listed = "; ".join(f"line {fault.line} has {fault.fields}" for fault in faults[:_MAX_LISTED_ROWS])
    hidden = len(faults) - _MAX_LISTED_ROWS
    return listed + (f" and {hidden} more rows" if hidden > 0 else "")
