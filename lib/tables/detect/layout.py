"""The layout of a text file: how its fields are written, and which of its first rows is the header."""

from __future__ import annotations

import re
from typing import NamedTuple

from lib.schema.table_schema import TableSchema, TextFormat
from lib.tables.column_names import deduplicate_names
from lib.tables.detect import header_detection, separators
from lib.tables.detect.header_detection import Header, clean_name
from lib.tables.detect.records import CsvFormat, Record

_NUMBERED_NAME = re.compile(r"column_(\d+)")


class Layout(NamedTuple):
    """How the first lines of a text file are written.

    Attributes
    ----------
    csv_format : CsvFormat
    records : list of Record
        The first records of the file.
    header : Header
    has_row_names : bool
        Whether each row starts with a row name, a field without a column name.
    """

    csv_format: CsvFormat
    records: list[Record]
    header: Header
    has_row_names: bool


def detect_layout(text: str, separator: str = "", has_header: bool | None = None) -> Layout:
    """Detect the layout of a file from its first lines.

    Parameters
    ----------
    text : str
        First lines of the file.
    separator : str
        The separator if the file names it, else empty.
    has_header : bool, optional
        Whether the file has a header; detected if None.
    """
    csv_format = separators.detect_format(text, separator)
    records = header_detection.parse_records(text, csv_format)
    rows = [record.cells for record in records]
    header = header_detection.detect_header(rows, has_header)
    rows_below = rows[header.title_row_count + header.row_count :]
    has_row_names = header.row_count > 0 and header_detection.has_row_names([header.names, *rows_below])
    return Layout(csv_format, records, header, has_row_names)


def find_stored_layout(text: str, separator: str, schema: TableSchema) -> Layout | None:
    r"""Find the layout that the schema describes in the first lines of a file.

    Parameters
    ----------
    text : str
        First lines of the file.
    separator : str
        The separator if the file names it, else empty.
    schema : TableSchema

    Returns
    -------
    Layout or None
        None if the file is not written as the schema says: it names another separator, a quote is not closed, or no row
        has the column names of the schema.

    Examples
    --------
    >>> from lib.schema.table_schema import ColumnSchema
    >>> columns = {name: ColumnSchema(name, "number") for name in ("size", "price")}
    >>> schema = TableSchema(columns, TextFormat("utf-8", ";"))
    >>> find_stored_layout("Sales in 2026\nsize;price\n1,5;2,5\n", "", schema).header
    Header(names=['size', 'price'], row_count=1, title_row_count=1)
    >>> find_stored_layout("size,price\n1.5,2.5\n", "", schema) is None
    True
    """
    text_format = schema.text_format
    if text_format is None or separator not in ("", text_format.separator):
        return None
    csv_format = _make_csv_format(text_format)
    records = header_detection.parse_records(text, csv_format)
    if any(record.is_malformed for record in records):
        return None
    header = _find_header(records, schema) if text_format.has_header else _find_first_row(records, schema)
    if header is None:
        return None
    below = records[header.title_row_count + header.row_count :]
    has_row_names = header.row_count > 0 and _has_stored_row_names(header, below, schema)
    return Layout(csv_format, records, header, has_row_names)


def _make_csv_format(text_format: TextFormat) -> CsvFormat:
    return CsvFormat(
        text_format.separator,
        text_format.quote_character,
        text_format.escape_character,
        text_format.skip_initial_space,
    )


def _find_header(records: list[Record], schema: TableSchema) -> Header | None:
    """Return the row with the most column names of the schema; None if no row has more known names than others."""
    known = {*schema.columns, *(name for column in schema.combined_columns for name in column.source_columns)}
    counts = []
    for record in records:
        names = [name for name in map(clean_name, record.cells) if name]
        known_count = len(known.intersection(deduplicate_names(names)))
        counts.append(known_count if 2 * known_count > len(names) else 0)
    if not any(counts):
        return None
    position = counts.index(max(counts))
    rows_below = [record.cells for record in records[position + 1 :]]
    return Header(header_detection.drop_surplus_names(records[position].cells, rows_below), 1, position)


def _find_first_row(records: list[Record], schema: TableSchema) -> Header | None:
    """Return an empty header above the first row; None if rows have fewer fields than the schema's columns."""
    rows = [record.cells for record in records]
    titles = header_detection.count_title_rows(rows)
    numbers = [int(match[1]) for name in schema.columns if (match := _NUMBERED_NAME.fullmatch(name))]
    if not numbers or header_detection.find_usual_field_count(rows[titles:]) < max(numbers):
        return None
    return Header([], 0, titles)


def _has_stored_row_names(header: Header, below: list[Record], schema: TableSchema) -> bool:
    """Return whether the schema has a column without a name, and each row has one field more than the header."""
    return "Unnamed: 0" in schema.columns and {len(record.cells) for record in below} == {len(header.names) + 1}
