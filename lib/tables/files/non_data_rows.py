"""Removal of rows that are not data from a text file that is read in batches: repeated headers, units, and totals.

Which rows contain units and totals is known from the table schema. A repeated header equals the column names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.table_schema import TextFormat
from lib.tables.detect.footer_rows import get_row_texts
from lib.tables.files.text_batches import FileBatch


def drop_non_data_rows(
    batches: Iterator[FileBatch], header: Sequence[str], text_format: TextFormat | None
) -> Iterator[FileBatch]:
    """Drop repeated headers, the row of units below the header, and the row of totals at the end.

    Parameters
    ----------
    batches : iterator of FileBatch
        All rows of a file below the header, as text.
    header : sequence of str
        Column names as written.
    text_format : TextFormat or None
        Contains the row of units and the label of the row of totals, if the table has them.
    """
    held_back: FileBatch | None = None  # the last batch may end with the row of totals
    for batch in batches:
        if held_back is None and text_format and text_format.unit_row:
            batch = _drop_unit_row(batch, text_format.unit_row)
        if held_back is not None:
            yield held_back
        held_back = batch._replace(rows=_drop_headers(batch.rows, header))
    if held_back is not None:
        yield _drop_total(held_back, text_format.total_label) if text_format and text_format.total_label else held_back


def _drop_unit_row(batch: FileBatch, unit_row: Sequence[str]) -> FileBatch:
    is_unit_row = batch.rows.num_rows and tuple(get_row_texts(batch.rows, 0).values()) == tuple(unit_row)
    return batch._replace(rows=batch.rows[1:]) if is_unit_row else batch


def _drop_total(batch: FileBatch, label: str) -> FileBatch:
    is_total = batch.rows.num_rows and label in get_row_texts(batch.rows, -1).values()
    return batch._replace(rows=batch.rows[:-1]) if is_total else batch


def _drop_headers(rows: pa.Table, header: Sequence[str]) -> pa.Table:
    """Drop rows whose every cell equals the name of its column, as in concatenated files."""
    is_header = None
    for index, name in enumerate(header):
        cells = pc.utf8_trim(rows.column(index), characters="\ufeff \t")
        is_equal = pc.fill_null(pc.equal(cells, name), False)
        is_header = is_equal if is_header is None else pc.and_(is_header, is_equal)
        if not pc.any(is_header).as_py():
            return rows
    return rows.filter(pc.invert(is_header))
