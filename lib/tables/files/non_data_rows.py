"""Rows of text files that are not data: repeated headers, and the rows of units and totals that the schema names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.table_schema import TextFormat
from lib.tables.detect.dialect import Dialect
from lib.tables.detect.footer_rows import get_row_texts
from lib.tables.files.aligned_rows import iterate_records
from lib.tables.files.categoricals import is_text
from lib.tables.files.text_batches import FileBatch

# Spaces, and the byte order mark of a file that was appended.
_IGNORED_CHARACTERS = "\ufeff \t"


def drop_non_data_rows(
    batches: Iterator[FileBatch], path: Path, dialect: Dialect, text_format: TextFormat | None, notes: list[str] | None
) -> Iterator[FileBatch]:
    """Drop repeated headers, the row of units below the header, and the row of totals at the end.

    Parameters
    ----------
    batches : iterator of FileBatch
        All rows of a file below the header, as text.
    path : Path
    dialect : Dialect
    text_format : TextFormat or None
        Contains the row of units and the label of the row of totals, if the table has them.
    notes : list of str or None
        A sentence on repeated headers is appended to it.
    """
    has_repeated_header = False
    held_back: FileBatch | None = None  # the last batch may end with the row of totals
    for batch in batches:
        if held_back is None and text_format and text_format.unit_row:
            batch = _drop_unit_row(batch, text_format.unit_row)
        if held_back is not None:
            yield held_back
        rows = drop_repeated_headers(batch.rows, dialect)
        has_repeated_header = has_repeated_header or rows.num_rows < batch.rows.num_rows
        held_back = batch._replace(rows=rows)
    if held_back is not None:
        yield _drop_total(held_back, text_format.total_label) if text_format and text_format.total_label else held_back
    if has_repeated_header and notes is not None:
        notes += describe_repeated_headers([(path, dialect)])


def _drop_unit_row(batch: FileBatch, unit_row: Sequence[str]) -> FileBatch:
    is_unit_row = batch.rows.num_rows and tuple(get_row_texts(batch.rows, 0).values()) == tuple(unit_row)
    return batch._replace(rows=batch.rows[1:]) if is_unit_row else batch


def _drop_total(batch: FileBatch, label: str) -> FileBatch:
    is_total = batch.rows.num_rows and label in get_row_texts(batch.rows, -1).values()
    return batch._replace(rows=batch.rows[:-1]) if is_total else batch


def drop_repeated_headers(rows: pa.Table, dialect: Dialect) -> pa.Table:
    """Drop rows in which every cell equals the name of the column.

    Parameters
    ----------
    rows : Table of shape (rows, columns)
        Columns are named by their position in the header.
    dialect : Dialect
    """
    if not rows.num_rows or not all(is_text(field.type) for field in rows.schema):
        return rows  # a column of numbers cannot contain a name
    names = dialect.names_as_written
    is_header = None
    for key in rows.column_names:
        cells = pc.utf8_trim(pc.cast(rows[key], pa.string()), characters=_IGNORED_CHARACTERS)
        is_equal = pc.equal(pc.fill_null(cells, ""), names[int(key)].strip())
        is_header = is_equal if is_header is None else pc.and_(is_header, is_equal)
        if not pc.any(is_header).as_py():
            return rows
    return rows.filter(pc.invert(is_header)) if any(names[int(key)].strip() for key in rows.column_names) else rows


def is_repeated_header(cells: Sequence[str], dialect: Dialect) -> bool:
    """Return whether the cells of a record are the names of the header."""
    names = [name.strip() for name in dialect.names_as_written]
    return any(names) and [cell.strip(_IGNORED_CHARACTERS) for cell in cells] == names


def describe_repeated_headers(files: Sequence[tuple[Path, Dialect]]) -> list[str]:
    """Return a note for each file with rows that repeat the header. Every record of the files is read again."""
    notes = []
    for path, dialect in files:
        lines = [record.line for record in iterate_records(path, dialect) if is_repeated_header(record.cells, dialect)]
        file_name = f"{path.name}: " if len(files) > 1 else ""
        if len(lines) == 1:
            notes.append(f"{file_name}Line {lines[0]:,} repeats the header and was left out.")
        elif lines:
            notes.append(
                f"{file_name}{len(lines):,} lines, first line {lines[0]:,}, repeat the header and were left out."
            )
    return notes
