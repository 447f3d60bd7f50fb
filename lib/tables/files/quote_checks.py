"""Checks of quotes in a table: a quote that swallowed rows, and a quote before which a separator is missing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lib.errors import DataError
from lib.tables.detect.cell_shapes import INNER_QUOTE
from lib.tables.detect.dialect import Dialect, open_table
from lib.tables.detect.raw_files import open_binary
from lib.tables.files.categoricals import is_text

_MAX_RE2_REPETITIONS = 1_000  # https://github.com/google/re2/wiki/Syntax
_MAX_VALUE_LENGTH = 60
_BLOCK_BYTES = 2**20


def contains_quote(rows: pa.Table) -> bool:
    """Return whether a text value contains a quote. Only then can a value be misquoted."""
    return any(_contains_quote(rows[field.name]) for field in rows.schema if is_text(field.type))


def is_misquoted(path: Path, dialect: Dialect) -> bool:
    """Return whether a quoted value contains quotes that are not doubled, as in ``"a "b" c"``.

    pyarrow reads that value as ``a b" c"``; the strict mode of the csv module raises an error. A few valid files match
    too, such as files with ``,"x`` within a quoted value.
    """
    separator = re.escape(dialect.separator).encode()
    pattern = rb'(?:^|%b)"(?!")(?:[^"]|"")*"(?=[^"\r\n%b])' % (separator, separator)
    closed_within_value = re.compile(pattern, re.MULTILINE)
    with open_table(path, dialect) as file:
        while block := file.read(_BLOCK_BYTES):
            if closed_within_value.search(block + file.readline()):
                return True
    return False


def check_quotes(files: Sequence[tuple[Path, Dialect]], table: pa.Table) -> None:
    """Check that no unclosed quote has swallowed whole rows into one value.

    Parameters
    ----------
    files : sequence of (Path, Dialect)
    table : pyarrow.Table
        Rows of the files.

    Raises
    ------
    DataError
        If a quote is not closed. The message names the lines of that quote and the next one.
    """
    for path, dialect in files:
        if not dialect.scan.has_quoted_line_breaks or dialect.needs_csv_module:
            continue
        if not _contains_row_in_value(table, dialect):
            continue
        with open_binary(path) as raw, io.TextIOWrapper(raw, encoding=dialect.text_encoding, newline="") as text:
            reader = csv.reader(text, **dialect.csv_options, strict=True)
            last_line = 0
            try:
                for _ in reader:
                    last_line = reader.line_num
            except csv.Error as error:
                raise DataError(
                    f"{path}: the quote that opens in line {last_line + 1} is not closed before line "
                    f"{reader.line_num}, where it ends within a value. Add the missing quote, or remove the other one."
                ) from error


def _contains_row_in_value(table: pa.Table, dialect: Dialect) -> bool:
    """Return whether a value contains a line with as many fields as the header."""
    separators = min(len(dialect.header) - 1, _MAX_RE2_REPETITIONS)
    if separators == 0:
        return False
    separator = re.escape(dialect.separator)
    cell = rf"[^{separator}\n]*"
    row = rf"\n({cell}{separator}){{{separators}}}{cell}(\n|$)"
    text_columns = [table[field.name] for field in table.schema if is_text(field.type)]
    return any(pc.any(pc.match_substring_regex(pc.cast(column, pa.string()), row)).as_py() for column in text_columns)


def describe_inner_quotes(header: Sequence[str], table: pa.Table) -> list[str]:
    r"""Return notes on columns with a quote between two words, where a separator may be missing.

    Such a row may still have as many fields as the header, with its values shifted: if the separator before a quoted
    value is missing, the quotes enclose nothing, and a comma within the value separates fields.

    Parameters
    ----------
    header : sequence of str
        Column names.
    table : pyarrow.Table
        Rows; columns are named by their position in the header.

    Examples
    --------
    >>> table = pa.table({"0": ["pen", 'ink"Black ink'], "1": ["blue", ' fast"']})
    >>> describe_inner_quotes(["name", "about"], table)[0][:55]
    'name contains a quote between two words in row 2 (\'ink"'
    """
    notes = []
    for field in table.schema:
        if is_text(field.type) and (row := _first_inner_quote(table[field.name])) >= 0:
            place = f"{header[int(field.name)]} contains a quote between two words in row {row + 1:,}"
            notes.append(describe_inner_quote(place, str(table[field.name][row].as_py())))
    return notes


def describe_inner_quote(place: str, value: str) -> str:
    """Return the note on a value with a quote between two words."""
    return (
        f"{place} ({value[:_MAX_VALUE_LENGTH]!r}): if a separator is missing before the quote, the row's values are "
        "shifted. Add the separator, or put the value in quotes and double each quote within the value."
    )


def _first_inner_quote(values: pa.ChunkedArray) -> int:
    """Return the index of the first value with a quote between two words, or -1."""
    if not _contains_quote(values):
        return -1
    has_inner_quote = pc.match_substring_regex(pc.cast(values, pa.string()), INNER_QUOTE)
    return int(pc.index(has_inner_quote, True).as_py())


def _contains_quote(values: pa.ChunkedArray) -> bool:
    """Return whether a value of a text column contains a quote."""
    if pa.types.is_dictionary(values.type):
        return any(pc.any(pc.match_substring(chunk.dictionary, '"')).as_py() for chunk in values.chunks)
    return bool(pc.any(pc.match_substring(values, '"')).as_py())
