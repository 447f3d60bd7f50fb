"""Text files with ragged rows or unusual quoting: rewritten by Python's csv module, or refused with line numbers."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from lib.errors import DataError
from lib.tables.detect.dialect import Dialect, open_binary
from lib.tables.files.categoricals import is_text

_MAX_LISTED_ROWS = 3
_MAX_RE2_REPETITIONS = 1_000  # https://github.com/google/re2/wiki/Syntax


class _LongRow(NamedTuple):
    line: int
    fields: int


@contextmanager
def rewrite_uniform(path: Path, dialect: Dialect) -> Iterator[tuple[BinaryIO, int]]:
    """Rewrite a file as UTF-8 CSV whose rows are all as wide as the header.

    Short rows are padded with empty values. Fields beyond the header are dropped if they are empty.

    Yields
    ------
    file : binary file
        Temporary; its dialect is `uniform_dialect(dialect)`.
    rows : int

    Raises
    ------
    DataError
        If a row has more values than the header has names, or a quote is never closed.
    """
    with open_binary(path) as raw, tempfile.TemporaryFile() as file:
        output = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        rows = _write_uniform(path, dialect, raw, output)
        output.detach()  # keeps the file open
        file.seek(0)
        yield cast(BinaryIO, file), rows


def _write_uniform(path: Path, dialect: Dialect, raw: BinaryIO, output: TextIO) -> int:
    """Write the rows of a file, check them, and return their number."""
    writer, width = csv.writer(output), len(dialect.header)
    writer.writerow(dialect.header)
    rows, last_line, long_rows, last_multiline_row = 0, 0, list[_LongRow](), (0, 0)
    for first_line, last_line, row in _read_numbered_rows(raw, dialect):
        rows += 1
        if any(row[width:]):
            long_rows.append(_LongRow(first_line, len(row)))
        if last_line > first_line:
            last_multiline_row = first_line, last_line
        if dialect.skip_initial_space:
            row = [cell.strip() for cell in row]
        writer.writerow([*row[:width], *[""] * (width - len(row))])
    if long_rows:
        raise DataError(_describe_long_rows(path, long_rows, rows, width))
    # An unclosed quote turns the rest of the file into one value.
    if rows and not dialect.scan.has_balanced_quotes and last_multiline_row[1] == last_line:
        raise DataError(f"{path}: a quote in line {last_multiline_row[0]} is never closed. Fix that line.")
    return rows


def _read_numbered_rows(raw: BinaryIO, dialect: Dialect) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the first line, the last line and the fields of each row below the header. Empty lines are skipped."""
    with io.TextIOWrapper(raw, encoding=dialect.text_encoding, newline="") as text:
        for _ in range(dialect.lines_before_header):
            next(text)
        reader = csv.reader(_empty_mysql_nulls(text, dialect), **dialect.csv_options)
        next(filter(None, reader))  # the header
        last_line = dialect.lines_before_header + reader.line_num
        for row in filter(None, reader):
            first_line, last_line = last_line + 1, dialect.lines_before_header + reader.line_num
            yield first_line, last_line, row


def uniform_dialect(dialect: Dialect) -> Dialect:
    """Return the dialect of a file that `rewrite_uniform` wrote."""
    return Dialect(
        encoding="utf-8",
        separator=",",
        header=dialect.header,
        lines_before_header=0,
        title_rows=0,
        scan=replace(dialect.scan, has_quoted_line_breaks=True),
    )


def check_row_lengths(path: Path, dialect: Dialect) -> None:
    """Check that no row has more values than the header has names.

    Raises
    ------
    DataError
        Naming the lines of longer rows.
    """
    with rewrite_uniform(path, dialect):
        pass


def _empty_mysql_nulls(lines: Iterable[str], dialect: Dialect) -> Iterable[str]:
    r"""Replace MySQL's null ``\N`` by an empty value, since unescaping would turn it into an N."""
    if not dialect.escape_character:
        return lines
    separator = re.escape(dialect.separator)
    null = re.compile(rf"(^|{separator})\\N(?=[{separator}\r\n]|$)")
    return (null.sub(r"\1", line) for line in lines)


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
        Naming the lines of the quotes.
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
                    f"{path}: a quote in line {last_line + 1} is not closed before line {reader.line_num}, where it "
                    "ends within a value. Fix these lines."
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


def _describe_long_rows(path: Path, long_rows: Sequence[_LongRow], rows: int, width: int) -> str:
    if len(long_rows) == rows:
        return (
            f"{path}: every row has more fields ({long_rows[0].fields}) than the header has names ({width}). "
            "Name every column, and put quotes around values that contain the separator."
        )
    listed = "; ".join(f"line {row.line} has {row.fields}" for row in long_rows[:_MAX_LISTED_ROWS])
    hidden = len(long_rows) - _MAX_LISTED_ROWS
    more = f" and {hidden} more rows" if hidden > 0 else ""
    return f"{path}: expected {width} fields, but {listed}{more}. Fix these lines."
