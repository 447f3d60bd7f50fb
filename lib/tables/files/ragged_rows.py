"""Rewriting of text files with ragged rows or unusual quoting, or an error with the lines that are ambiguous."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from lib.tables.detect.dialect import Dialect, open_table
from lib.tables.files import row_faults
from lib.tables.files.aligned_rows import read_aligned_rows
from lib.tables.files.row_repair import RowFault


@contextmanager
def rewrite_uniform(path: Path, dialect: Dialect, notes: list[str] | None = None) -> Iterator[tuple[BinaryIO, int]]:
    """Rewrite a file as UTF-8 CSV in which every row has one field for each name of the header.

    Short rows are padded with empty values. Surplus fields are left out if they are empty, and leaving them out in only
    one way makes the row's values fit their columns.

    Parameters
    ----------
    path : Path
    dialect : Dialect
    notes : list of str, optional
        Sentences on rows that were changed are appended to it.

    Yields
    ------
    file : binary file
        Temporary; its dialect is `make_uniform_dialect(dialect)`.
    row_count : int

    Raises
    ------
    DataError
        If a row has values for which there is no column, its fields are shifted, a quote is never closed, or a second
        table begins. The message names the lines.
    """
    with open_table(path, dialect) as raw, tempfile.TemporaryFile() as file:
        output = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        row_count = _write_uniform(path, dialect, raw, output, notes)
        output.detach()  # keeps the file open
        file.seek(0)
        yield cast(BinaryIO, file), row_count


def _write_uniform(path: Path, dialect: Dialect, raw: BinaryIO, output: TextIO, notes: list[str] | None) -> int:
    """Write the rows of a file, check them, and return their number."""
    writer, column_count = csv.writer(output), len(dialect.header)
    writer.writerow(range(column_count))  # readers skip this line; a name may contain a line break
    row_count, faults = 0, list[RowFault]()
    for row in read_aligned_rows(raw, dialect, column_count):
        row_count += 1
        if row.fault:
            faults.append(row.fault)
        writer.writerow(row.cells[:column_count])
    row_faults.check(path, faults, row_count, column_count)
    if notes is not None:
        notes.extend(row_faults.describe(faults, column_count))
    return row_count


def make_uniform_dialect(dialect: Dialect) -> Dialect:
    """Return the dialect of a file that `rewrite_uniform` wrote."""
    return Dialect(
        encoding="utf-8",
        separator=",",
        header=dialect.header,
        lines_before_header=0,
        title_rows=0,
        scan=replace(dialect.scan, has_quoted_line_breaks=True),
    )
