"""Check that files read by pyarrow contain no second table, whose header would be a row of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.tables.detect.dialect import Dialect, open_ascii_compatible
from lib.tables.detect.second_tables import SecondTableDetector, Verdict
from lib.tables.files import row_faults
from lib.tables.files.aligned_rows import iterate_records
from lib.tables.files.categoricals import is_text
from lib.tables.files.row_repair import RowFault

# Number of rows from which the columns of numbers and dates are learned.
_PROFILE_ROWS = 1_000
# If more rows have no digits, they are data.
_MAX_CANDIDATES = 10
_EMPTY_LINE = re.compile(rb"\n[ \t]*\r?\n(?=[^\r\n])")
_BLOCK_BYTES = 2**20


def check_second_table(files: Sequence[tuple[Path, Dialect]], rows: pa.Table) -> list[str]:
    """Check that no row is the header of a second table, and return a note on rows that possibly are one.

    Parameters
    ----------
    files : sequence of (Path, Dialect)
    rows : Table of shape (rows, columns)
        Rows of the files, in the types that pyarrow inferred; columns are named by their position in the header.

    Raises
    ------
    DataError
        If a row is the header of a second table. The message names the line.
    """
    if rows.num_columns < 2 or not all(is_text(field.type) for field in rows.schema):
        return []  # a column of numbers cannot contain a name
    notes = []
    has_candidates = any(_may_be_header(rows, index) for index in _find_rows_of_names(rows))
    for path, dialect in files:
        if has_candidates or _has_empty_line(path, dialect):
            faults = _find_second_tables(path, dialect)
            if certain := [fault for fault in faults if not fault.is_fixed]:
                raise row_faults.second_table_error(path, certain[0], len(dialect.header))
            notes += row_faults.describe(faults, len(dialect.header))
    return notes


def _find_rows_of_names(rows: pa.Table) -> list[int]:
    """Return the rows that have a text without digits in every column, if there are only a few."""
    indices = np.arange(rows.num_rows)
    for column in rows.columns:
        texts = pc.cast(column, pa.string()).take(pa.array(indices))
        is_name = pc.fill_null(pc.invert(pc.match_substring_regex(texts, r"\d")), False)
        indices = indices[is_name.to_numpy()]
        if not len(indices):
            return []
    return indices.tolist() if len(indices) <= _MAX_CANDIDATES else []


def _may_be_header(rows: pa.Table, index: int) -> bool:
    """Return whether a row may be the header of a second table, by the rows above it."""
    detector = SecondTableDetector([""] * rows.num_columns, rows.num_columns)
    start = max(0, index - _PROFILE_ROWS)
    columns = [pc.fill_null(pc.cast(column[start : index + 1], pa.string()), "") for column in rows.columns]
    *verdicts, verdict = [
        detector.judge(cells) for cells in zip(*(column.to_pylist() for column in columns), strict=True)
    ]
    return verdict is not Verdict.NO


def _has_empty_line(path: Path, dialect: Dialect) -> bool:
    """Return whether an empty line is between two others below the header."""
    with open_ascii_compatible(path, dialect) as file:
        for _ in range(dialect.lines_before_rows):
            file.readline()
        end = b""
        while block := file.read(_BLOCK_BYTES):
            if _EMPTY_LINE.search(end + block):
                return True
            end = block[-1:]
    return False


def _find_second_tables(path: Path, dialect: Dialect) -> list[RowFault]:
    """Return a fault for each row of a file that is, or possibly is, the header of a second table."""
    detector, faults, last_line = SecondTableDetector(dialect.names_as_written, len(dialect.header)), [], 0
    for record in iterate_records(path, dialect):
        follows_empty_line = 0 < last_line < record.line - 1
        last_line = record.last_line
        verdict = detector.judge(record.cells, follows_empty_line)
        if verdict is not Verdict.NO:
            faults.append(RowFault(record.line, "table", len(record.cells), verdict is Verdict.POSSIBLE))
    return faults
