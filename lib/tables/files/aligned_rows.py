"""Rows of a text file with one cell for each column, and the faults of rows that were written otherwise."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from lib.tables.detect.cell_shapes import ColumnShapes
from lib.tables.detect.dialect import Dialect
from lib.tables.detect.records import Record, read_records
from lib.tables.files.row_repair import RowFault, align_row

# Number of rows from which the usual shapes of each column are learned.
_PROFILE_ROWS = 1_000


class Row(NamedTuple):
    """A row below the header.

    Attributes
    ----------
    line : int
        Line of the file where it begins.
    cells : list of str
    fault : RowFault or None
        Set if the row as written does not have one field for each column.
    """

    line: int
    cells: list[str]
    fault: RowFault | None


def read_aligned_rows(raw: BinaryIO, dialect: Dialect, column_count: int) -> Iterator[Row]:
    """Yield the rows below the header. Empty lines are skipped.

    Parameters
    ----------
    raw : binary file
        Decompressed content. It is closed.
    dialect : Dialect
    column_count : int
        Number of columns. A row has more cells only if the surplus ones contain values.
    """
    with io.TextIOWrapper(raw, encoding=dialect.text_encoding, newline="") as text:
        for _ in itertools.islice(text, dialect.lines_before_rows):
            pass
        records = read_records(_empty_mysql_nulls(text, dialect), dialect.csv_format, column_count)
        first_records = list(itertools.islice(records, _PROFILE_ROWS))
        shapes = ColumnShapes([record.cells for record in first_records if len(record.cells) == column_count])
        for record in itertools.chain(first_records, records):
            yield _align_record(record, dialect, column_count, shapes)


def _align_record(record: Record, dialect: Dialect, column_count: int, shapes: ColumnShapes) -> Row:
    line, cells, fault = record.line + dialect.lines_before_rows, record.cells, None
    if dialect.skip_initial_space:
        cells = [cell.strip() for cell in cells]
    if record.is_malformed:
        fault = RowFault(line, "quote", len(cells), len(cells) == column_count and not record.has_open_quote)
    elif len(cells) != column_count:
        if _has_header_names(cells, dialect.header):
            fault = RowFault(line, "table", len(cells), False)
            return Row(line, cells, fault)
        cells, fault = align_row(line, cells, column_count, shapes)
    return Row(line, cells + [""] * (column_count - len(cells)), fault)


def _has_header_names(cells: list[str], header: list[str]) -> bool:
    """Return whether a row contains most names of the header, and so may be the header of a second table."""
    names = {name for name in header if name}
    return len(names) > 1 and 2 * len(names.intersection(cell.strip() for cell in cells)) > len(names)


def _empty_mysql_nulls(lines: Iterable[str], dialect: Dialect) -> Iterable[str]:
    r"""Replace MySQL's null ``\N`` by an empty value, since unescaping would turn it into an N."""
    if not dialect.escape_character:
        return lines
    separator = re.escape(dialect.separator)
    null = re.compile(rf"(^|{separator})\\N(?={separator}|[\r\n]|$)")
    return (null.sub(r"\1", line) for line in lines)
