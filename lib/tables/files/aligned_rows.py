"""Rows of a text file with one cell for each column, and the faults of rows that were written otherwise."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lib.tables.detect.cell_shapes import ColumnShapes
from lib.tables.detect.dialect import Dialect, open_table
from lib.tables.detect.records import Record, read_records
from lib.tables.detect.second_tables import SecondTableDetector, Verdict
from lib.tables.files.row_repair import RowFault, align_row
from lib.tables.files.unquoted_spaces import find_column_with_spaces, join_words

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
        aligner = _Aligner(dialect, column_count, first_records)
        for record in itertools.chain(first_records, records):
            yield aligner.align(record)


def iterate_records(path: Path, dialect: Dialect) -> Iterator[Record]:
    """Yield the records below the header of a file, with their lines in the file."""
    with open_table(path, dialect) as raw, io.TextIOWrapper(raw, encoding=dialect.text_encoding, newline="") as text:
        for _ in itertools.islice(text, dialect.lines_before_rows):
            pass
        for record in read_records(text, dialect.csv_format, len(dialect.header)):
            line, last_line = record.line + dialect.lines_before_rows, record.last_line + dialect.lines_before_rows
            yield record._replace(line=line, last_line=last_line)


class _Aligner:
    """Alignment of records with the columns, by what the first records look like."""

    def __init__(self, dialect: Dialect, column_count: int, first_records: Sequence[Record]):
        self._dialect, self._column_count = dialect, column_count
        self._last_line = 0
        self._second_table = SecondTableDetector(dialect.names_as_written, column_count)
        complete = [record.cells for record in first_records if len(record.cells) == column_count]
        self._shapes = ColumnShapes(complete)
        self._column_with_spaces: int | None = None
        if dialect.separator == " ":
            rows = [self._strip(record.cells) for record in first_records if not record.is_malformed]
            self._column_with_spaces = find_column_with_spaces(rows, column_count)

    def align(self, record: Record) -> Row:
        """Return a record with one cell for each column, and its fault."""
        line, cells, fault = record.line + self._dialect.lines_before_rows, self._strip(record.cells), None
        field_count, follows_empty_line = len(cells), record.line > self._last_line + 1
        self._last_line = record.last_line
        if record.is_malformed:
            is_fixed = field_count == self._column_count and not record.has_open_quote
            fault = RowFault(line, "quote", field_count, is_fixed)
        elif (verdict := self._second_table.judge(cells, follows_empty_line)) is Verdict.CERTAIN:
            return Row(line, cells, RowFault(line, "table", field_count, False))
        elif verdict is Verdict.POSSIBLE:
            fault = RowFault(line, "table", field_count, True)
        elif field_count > self._column_count and (joined := self._join(cells)):
            cells, fault = joined, RowFault(line, "spaces", field_count, True)
        elif field_count != self._column_count:
            cells, fault = align_row(line, cells, self._column_count, self._shapes)
        return Row(line, cells + [""] * (self._column_count - len(cells)), fault)

    def _strip(self, cells: list[str]) -> list[str]:
        return [cell.strip() for cell in cells] if self._dialect.skip_initial_space else cells

    def _join(self, cells: list[str]) -> list[str] | None:
        """Return the cells with surplus words joined to one value, or None if the file has no column for that."""
        if self._column_with_spaces is None:
            return None
        return join_words(cells, self._column_with_spaces, self._column_count)


def _empty_mysql_nulls(lines: Iterable[str], dialect: Dialect) -> Iterable[str]:
    r"""Replace MySQL's null ``\N`` by an empty value, since unescaping would turn it into an N."""
    if not dialect.escape_character:
        return lines
    separator = re.escape(dialect.separator)
    null = re.compile(rf"(^|{separator})\\N(?={separator}|[\r\n]|$)")
    return (null.sub(r"\1", line) for line in lines)
