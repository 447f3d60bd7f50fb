"""Detection of the header in the first rows of a text file. It may follow titles, have several rows, or be missing."""

from __future__ import annotations

import csv
import io
import re
import statistics
import sys
from itertools import pairwise
from typing import NamedTuple

from lib.schema.text_values import normalize_text
from lib.tables.detect.cell_shapes import ColumnShapes, has_digit, is_number
from lib.tables.detect.raw_files import SAMPLE_BYTES
from lib.tables.detect.records import CsvFormat, Record, read_records

SAMPLE_LINES = 50
_MAX_HEADER_ROWS = 3
_FIRST_YEAR, _LAST_YEAR = 1800, 2100
# Written for a missing value in the first row of numbers; never taken for the name of a column.
_MISSING = {"na", "n/a", "nan", "null", "none", "-", "?", "."}
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
# The csv module's default limit of 131,072 characters per cell is too low for long texts.
csv.field_size_limit(sys.maxsize)

Row = list[str]


class Header(NamedTuple):
    """The header of a table.

    Attributes
    ----------
    names : list of str
        As written. Names of column groups are joined with the names below them. Empty if the table has no header.
    row_count : int
        Number of rows of the header; 0 if the table has none.
    title_row_count : int
        Number of rows above the header.
    """

    names: list[str]
    row_count: int
    title_row_count: int


def clean_name(name: str) -> str:
    r"""Return a column name in Unicode's composed form (NFC), without surrounding spaces and invisible characters.

    >>> clean_name(" \u200bprice ")
    'price'
    """
    return normalize_text(_INVISIBLE.sub("", name))


def parse_records(text: str, csv_format: CsvFormat) -> list[Record]:
    """Return the records in the first lines of a text, without empty records."""
    lines = list(io.StringIO(text, newline=None))[:SAMPLE_LINES]
    if len(text) >= SAMPLE_BYTES // 2 and len(lines) > 1:
        lines = lines[:-1]  # the sample may end within this line
    records = list(read_records(lines, csv_format, expected_fields=0))
    if any(record.is_malformed for record in records):
        field_count = find_usual_field_count([record.cells for record in records if not record.is_malformed])
        records = list(read_records(lines, csv_format, field_count))
    return records


def parse_rows(text: str, csv_format: CsvFormat) -> list[Row]:
    r"""Return the fields of the first lines of a text, without empty rows.

    >>> parse_rows("a;b\n\n1;2\n", CsvFormat(";"))
    [['a', 'b'], ['1', '2']]
    """
    return [record.cells for record in parse_records(text, csv_format)]


def has_row_names(rows: list[Row]) -> bool:
    """Return whether every row starts with a row name that the header has no name for, as R writes tables.

    >>> has_row_names([["x", "y"], ["1", "a", "b"], ["2", "c", "d"]])
    True
    """
    if len(rows) < 3:
        return False
    header, *body = rows
    if {len(row) for row in body} != {len(header) + 1}:
        return False
    if not any(row[-1] for row in body):  # the extra field is empty: a trailing separator
        return False
    first_fields = [row[0] for row in body]
    if all(map(str.isdecimal, first_fields)):
        return all(int(number) + 1 == int(following) for number, following in pairwise(first_fields))
    # R's row names are unique. Numbers, dates and the like may be unique by chance.
    return len(set(first_fields)) == len(body) and all(name[:1].isalpha() for name in first_fields)


def detect_header(rows: list[Row], has_header: bool | None = None) -> Header:
    """Detect the header in the first rows of a table.

    Parameters
    ----------
    rows : list of list of str
        First rows of a file, without empty rows.
    has_header : bool, optional
        Whether the table has a header; detected if None.

    Examples
    --------
    >>> detect_header([["Sales of May"], ["item", "price"], ["pen", "3"], ["ink", "5"]])
    Header(names=['item', 'price'], row_count=1, title_row_count=1)
    >>> detect_header([["1.5", "0"], ["2.5", "1"], ["0.5", "1"]])
    Header(names=[], row_count=0, title_row_count=0)
    >>> detect_header([["May", "", "June", ""], ["x", "y", "x", "y"], ["1", "2", "3", "4"], ["5", "6", "7", "8"]])
    Header(names=['May x', 'May y', 'June x', 'June y'], row_count=2, title_row_count=0)
    """
    titles = count_title_rows(rows)
    table = rows[titles:]
    if has_header is False or (has_header is None and is_first_row_data(table)):
        return Header([], 0, titles)
    count = _count_header_rows(table)
    return Header(drop_surplus_names(_join_names(table[:count]), table[count:]), count, titles)


def drop_surplus_names(names: list[str], rows: list[Row]) -> list[str]:
    """Drop empty names if that gives the header one name for each field of every row.

    >>> drop_surplus_names(["day", "", "price"], [["1/2/2024", "5"], ["2/2/2024", "7"]])
    ['day', 'price']
    """
    filled = list(filter(None, names))
    return filled if rows and {len(row) for row in rows} == {len(filled)} else names


def is_first_row_data(rows: list[Row]) -> bool:
    """Return whether the first row is data, not a header, because its cells look like the cells below.

    A row of text is data only if most of its cells are repeated below.

    >>> is_first_row_data([["2019", "5"], ["2020", "7"]])
    True
    >>> is_first_row_data([["year", "x"], ["2020", "7"], ["2021", "8"]])
    False
    """
    first, *below = rows or [[]]
    body = [row for row in below if len(row) == len(first)]
    if not body or not any(first):
        return False
    shapes = ColumnShapes(body)
    typed = [index for index in range(len(first)) if shapes.is_typed(index)]
    filled = [index for index in typed if first[index].strip() and first[index].strip().casefold() not in _MISSING]
    if any(not shapes.fits_column(index, first[index]) or not has_digit(first[index]) for index in filled):
        return False
    columns = [[row[index] for row in body] for index in range(len(first))]
    if filled:
        return 2 * len(filled) >= sum(map(bool, first)) and not _are_number_names(first, columns, filled)
    repeated = [index for index, cell in enumerate(first) if cell.strip() and cell in columns[index]]
    return not typed and len(repeated) > 0 and 2 * len(repeated) >= sum(map(bool, first))


def _are_number_names(first: Row, columns: list[list[str]], filled: list[int]) -> bool:
    """Return whether the numbers in the first row are column names: 0, 1, 2, ... or years above other numbers."""
    if not all(first[index].strip().isdecimal() for index in filled):
        return False
    numbers = [int(first[index]) for index in filled]
    if len(numbers) > 2 and all(number + 1 == following for number, following in pairwise(numbers)):
        return any(columns[index][0] != first[index] for index in filled)
    if all(_FIRST_YEAR <= number <= _LAST_YEAR for number in numbers):
        below = [cell for index in filled for cell in columns[index] if cell.strip().isdecimal()]
        return not below or not all(_FIRST_YEAR <= int(cell) <= _LAST_YEAR for cell in below)
    return False


def _count_header_rows(rows: list[Row]) -> int:
    """Return the number of header rows.

    It is more than one only if no single row, but several joined, give each column a name of its own.
    """
    names = rows[0] if rows else []
    if len(names) < 2 or (all(names) and len(set(names)) == len(names)):
        return 1
    for count in range(2, _MAX_HEADER_ROWS + 1):
        candidates, body = rows[:count], [row for row in rows[count:] if len(row) == len(names) and any(row)]
        if len(body) < 2 or any(len(row) != len(names) for row in candidates):
            return 1
        shapes = ColumnShapes(body)
        last = candidates[-1]
        if any(is_number(cell) for cell in last) or not any(_find_names_above_values(shapes, last)):
            if any(last):
                return 1
            continue
        joined = [name for index, name in enumerate(_join_names(candidates)) if name or any(row[index] for row in body)]
        if all(joined) and len(set(joined)) == len(joined):
            return count
    return 1


def _find_names_above_values(shapes: ColumnShapes, row: Row) -> list[bool]:
    """Return for each column whether a row has a name there, above cells that are numbers, dates or codes."""
    return [bool(cell) and shapes.is_typed(index) and not has_digit(cell) for index, cell in enumerate(row)]


def _join_names(rows: list[Row]) -> list[str]:
    """Join the rows of a header to one name per column. A group's name also applies to the empty cells to its right."""
    if len(rows) == 1:
        return rows[0]
    filled = []
    for level, row in enumerate(rows[:-1]):
        below, group, cells = rows[level + 1 :], "", []
        for index, cell in enumerate(row):
            has_name_below = any(lower[index].strip() for lower in below)
            group = cell if cell.strip() else group if has_name_below else ""
            cells.append(group)
        filled.append(cells)
    columns = zip(*filled, rows[-1], strict=True)
    return [" ".join(dict.fromkeys(part for part in parts if part.strip())) for parts in columns]


def count_title_rows(rows: list[Row]) -> int:
    """Return the number of rows above the header: titles, comments, and names of column groups.

    Returns 0 if no row in the first half of the sample looks like a header.

    >>> count_title_rows([["Sales of May"], ["item", "price"], ["pen", "3"], ["ink", "5"]])
    1
    """
    field_count = find_usual_field_count(rows)
    for index, row in enumerate(rows[: (len(rows) + 1) // 2]):
        if not _is_title(row, rows[index + 1 :], field_count):
            return index if len(row) == field_count else 0
    return 0


def _is_title(row: Row, rows_below: list[Row], field_count: int) -> bool:
    """Return whether a row is above the header, in a table of `field_count` columns."""
    if len(row) == 1 < field_count or 2 * len(row) < field_count:
        return True
    if len(row) != field_count and _is_proper_header(rows_below, field_count):
        return True
    filled = sum(map(bool, row))
    if filled == 0 or (filled == 1 and rows_below and not any(rows_below[0])):
        return True  # an empty row sets the lines above it apart
    if filled <= 1 < field_count - 1:
        # Probably a title that a spreadsheet padded with empty cells; if numbers follow, it is a header with one name.
        next_row = next((below for below in rows_below if len(below) == field_count and sum(map(bool, below)) > 1), [])
        if not any(map(is_number, next_row)):
            return True
    if row[0].startswith("#"):  # a comment, or a header that starts with "#"
        uncommented = [below for below in rows_below if not below[0].startswith("#")]
        if len(row) != field_count or _is_header_above_numbers(uncommented):
            return True
    if len(set(row)) < len(row) or "" in row:
        # Repeated or empty names: a row of column groups if a proper header follows.
        return len(row) == field_count and _is_proper_header(rows_below, field_count)
    return False


def _is_proper_header(rows: list[Row], field_count: int) -> bool:
    """Return whether the first row has a distinct name for each column, and a column below contains numbers only."""
    header = rows[0] if rows else []
    return len(set(header)) == len(header) == field_count and "" not in header and _is_header_above_numbers(rows)


def _is_header_above_numbers(rows: list[Row]) -> bool:
    """Return whether the first row contains no number, and a column below contains numbers only."""
    first, *below = rows or [[]]
    body = [row for row in below if len(row) == len(first)]
    if not body or any(map(is_number, first)):
        return False
    columns = [[row[index] for row in body if row[index]] for index in range(len(first))]
    return any(column and all(map(is_number, column)) for column in columns)


def find_usual_field_count(rows: list[Row]) -> int:
    """Return the most frequent number of fields per row."""
    return statistics.mode(map(len, rows)) if rows else 0
