"""Reading of a text file in batches of rows, with each value as a string."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
from pyarrow import csv as arrow_csv

from lib.tables.detect.dialect import Dialect, open_table
from lib.tables.files import quote_checks, ragged_rows
from lib.tables.files.arrow_options import make_reader_options

_MAX_BLOCK_BYTES = 2**31 - 1


class FileBatch(NamedTuple):
    """Some rows of a file, and the share of the file (0 to 1) that has been read with them."""

    rows: pa.Table
    share: float


def read_batches(
    path: Path, dialect: Dialect, null_values: Sequence[str], notes: list[str] | None = None
) -> Iterator[FileBatch]:
    """Read a text file in batches.

    Parameters
    ----------
    path : Path
    dialect : Dialect
    null_values : sequence of str
        Texts to read as null.
    notes : list of str, optional
        Sentences on rows that were padded or shortened are appended to it.

    Yields
    ------
    FileBatch
        All columns are strings, named by their position in the header: "0", "1", ...

    Raises
    ------
    DataError
        If a row has more values than the header has names, or a quote is never closed. The message names the line.
    """
    rows_read, is_quoting_checked = 0, False
    if dialect.scan.has_balanced_quotes and not dialect.needs_csv_module:
        try:
            with path.open("rb") as raw, open_table(path, dialect, raw) as content:
                for batch in _read_with_arrow(content, dialect, null_values):
                    if not is_quoting_checked and quote_checks.contains_quote(batch):
                        is_quoting_checked = True
                        if quote_checks.is_misquoted(path, dialect):
                            raise pa.ArrowInvalid("A quoted value contains quotes that are not doubled.")
                    rows_read += batch.num_rows
                    yield FileBatch(batch, raw.tell() / max(1, os.fstat(raw.fileno()).st_size))
            return
        except pa.ArrowInvalid:  # a row is ragged, or a value is misquoted or longer than a block
            pass
    with ragged_rows.rewrite_uniform(path, dialect, notes) as (file, row_count):
        if not row_count:
            return
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        first_row = 0
        for batch in _read_with_arrow(file, ragged_rows.make_uniform_dialect(dialect), null_values, size):
            if first_row + batch.num_rows > rows_read:
                yield FileBatch(batch[max(0, rows_read - first_row) :], file.tell() / max(1, size))
            first_row += batch.num_rows


def _read_with_arrow(
    file: BinaryIO, dialect: Dialect, null_values: Sequence[str], block_bytes: int = 0
) -> Iterator[pa.Table]:
    """Read an open file as strings. `block_bytes` is the block size, up to a maximum; 0 keeps Arrow's default."""
    keys = [str(index) for index in range(len(dialect.header))]
    options: dict[str, Any] = make_reader_options(dialect, keys, dict.fromkeys(keys, pa.string()))
    options["convert_options"].null_values = list(null_values)
    if block_bytes:
        options["read_options"].block_size = min(block_bytes, _MAX_BLOCK_BYTES)
    with arrow_csv.open_csv(file, **options) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])
