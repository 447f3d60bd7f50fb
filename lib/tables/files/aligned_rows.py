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
from lib.tables.files.row_repair import RowFault, align

# Rows from which the shapes of the columns are learned.
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


def aligned_rows(raw: BinaryIO, dialect: Dialect, width: int) -> Iterator[Row]:
    """Yield the rows below the header. Empty lines are skipped.

    Parameters
    ----------
    raw : binary file
        Decompressed content. It is closed.
    dialect : Dialect
    width : int
        Number of columns. A row keeps more cells only if they contain values.
    """
    with io.TextIOWrapper(raw, encoding=dialect.text_encoding, newline="") as text:
        for _ in itertools.islice(text, dialect.lines_before_rows):
            pass
        records = read_records(_empty_mysql_nulls(text, dialect), dialect.csv_format, width)
        first = list(itertools.islice(records, _PROFILE_ROWS))
        shapes = ColumnShapes([record.cells for record in first if len(record.cells) == width])
        for record in itertools.chain(first, records):
            yield _align_record(record, dialect, width, shapes)


def _align_record(record: Record, dialect: Dialect, width: int, shapes: ColumnShapes) -> Row:
    line, cells, fault = record.line + dialect.lines_before_rows, record.cells, None
    if dialect.skip_initial_space:
        cells = [cell.strip() for cell in cells]
    if record.is_malformed:
        fault = RowFault(line, "quote", len(cells), len(cells) == width and not record.has_open_quote)
    elif len(cells) != width:
        if _repeats_header(cells, dialect.header):
            fault = RowFault(line, "table", len(cells), False)
            return Row(line, cells, fault)
        cells, fault = align(line, cells, width, shapes)
    return Row(line, cells + [""] * (width - len(cells)), fault)


def _repeats_header(cells: list[str], header: list[str]) -> bool:
    """Return whether a row of another width has most of the header's names: the header of a second table."""
    names = {name for name in header if name}
    return len(names) > 1 and 2 * len(names.intersection(cell.strip() for cell in cells)) > len(names)


def _empty_mysql_nulls(lines: Iterable[str], dialect: Dialect) -> Iterable[str]:
    r"""Replace MySQL's null ``\N`` by an empty value, since unescaping would turn it into an N."""
    if not dialect.escape_character:
        return lines
    separator = re.escape(dialect.separator)
    null = re.compile(rf"(^|{separator})\\N(?={separator}|[\r\n]|$)")
    return (null.sub(r"\1", line) for line in lines)
