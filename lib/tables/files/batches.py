"""Reading of tables in parts, in bounded memory.

Values of text files are yielded as text: the types of a column follow from all of its rows, not from one part. Parquet
files are yielded in their own types.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import DataError
from lib.schema import number_columns
from lib.schema.number_format import NumberFormat
from lib.schema.number_parsing import NULL_STRINGS
from lib.tables import cleaning
from lib.tables.detect import dialect as dialects
from lib.tables.detect.dialect import Dialect, open_binary, open_table
from lib.tables.files import parquet, ragged_rows
from lib.tables.files.file_types import PARQUET_SUFFIXES, check_file

_BLOCK_BYTES = 2**22

Progress = Callable[[float], object]


def detect_dialect(path: Path, encoding: str = "", header: bool | None = None) -> Dialect | None:
    """Return the dialect of a text file, or None for a Parquet file.

    Parameters
    ----------
    path : Path
    encoding : str
        Python name of the encoding of a text file; detected if empty.
    header : bool, optional
        Whether a text file has a header; detected if None.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    check_file(path)
    if path.suffix.lower() in PARQUET_SUFFIXES:
        return None
    with _translate_errors(path):
        return dialects.detect_dialect(path, encoding, header)


def read(path: Path, dialect: Dialect | None, rows: int, progress: Progress = bool) -> Iterator[pd.DataFrame]:
    """Read a table in parts.

    Parameters
    ----------
    path : Path
        A file that `tables.read` can read.
    dialect : Dialect or None
        From `detect_dialect`.
    rows : int
        Maximum number of rows per part.
    progress : callable
        Called before each part with the share of the file that has been read, 0 to 1.

    Yields
    ------
    DataFrame
        Its index is the row number in the table, from 0.

    Raises
    ------
    DataError
        If the file cannot be read or has no rows.
    """
    parts = _read_parquet(path, rows, progress) if dialect is None else _read_text(path, dialect, rows, progress)
    count = 0
    for part in parts:
        part.index = pd.RangeIndex(count, count + len(part))
        count += len(part)
        yield part
    if not count:
        raise DataError(f"{path} has no rows. Give a table with a header and rows.")


def infer_number_formats(path: Path, dialect: Dialect | None, rows: int) -> dict[str, NumberFormat]:
    """Infer the number format of each column of a file from all of its rows.

    Parameters
    ----------
    path, dialect, rows
        See `read`.

    Returns
    -------
    dict of str to NumberFormat
        By column name. Empty if numbers are typed, or if commas separate the columns and no value is quoted.
    """
    if dialect is None:
        return {}
    comma_separated = dialect.separator == ","
    if comma_separated and not _contains_quotes(path):
        return {}
    return number_columns.infer_formats(read(path, dialect, rows), comma_separated)


def _contains_quotes(path: Path) -> bool:
    with _translate_errors(path), open_binary(path) as file:
        return any(b'"' in block for block in iter(lambda: file.read(_BLOCK_BYTES), b""))


def _read_parquet(path: Path, rows: int, progress: Progress) -> Iterator[pd.DataFrame]:
    try:
        file = pq.ParquetFile(path)
        rows_read, total_rows = 0, max(1, file.metadata.num_rows)
        utf8_columns = [
            field.name for field in file.schema_arrow if parquet.is_binary(field.type) and _is_utf8(file, field.name)
        ]
        for batch in file.iter_batches(batch_size=rows):
            progress(rows_read / total_rows)
            for name in utf8_columns:
                batch = batch.set_column(batch.schema.names.index(name), name, parquet.decode_utf8(batch[name]))
            frame = batch.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
            # A named index was a column of the written table; an unnamed one is the row number.
            named_levels = [name for name in frame.index.names if name is not None]
            frame = frame.reset_index(level=named_levels).reset_index(drop=True)
            yield frame.set_axis([str(name).strip() for name in frame.columns], axis=1)
            rows_read += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise parquet.damaged_file_error(path, error) from error


def _is_utf8(file: pq.ParquetFile, name: str) -> bool:
    """Return whether a column of bytes is UTF-8 in every part, so that all parts get the same type."""
    return all(parquet.decode_utf8(batch[name]) is not None for batch in file.iter_batches(columns=[name]))


def _read_text(path: Path, dialect: Dialect, rows: int, progress: Progress) -> Iterator[pd.DataFrame]:
    with _translate_errors(path):
        if dialect.needs_csv_module:
            with ragged_rows.rewrite_uniform(path, dialect) as (content, _):
                yield from _parse_parts(content, content, ragged_rows.uniform_dialect(dialect), rows, progress)
            return
        try:
            with path.open("rb") as raw, open_table(path, dialect, raw) as content:
                yield from _parse_parts(raw, content, dialect, rows, progress)
        except pd.errors.ParserError:
            ragged_rows.check_row_lengths(path, dialect)  # raises an error that names the lines
            raise


def _parse_parts(
    raw: BinaryIO, content: BinaryIO, dialect: Dialect, rows: int, progress: Progress
) -> Iterator[pd.DataFrame]:
    """Parse decompressed content in parts. The position in the raw file measures the progress."""
    raw_bytes = max(1, os.fstat(raw.fileno()).st_size)
    names = cleaning.deduplicate_names(dialect.header)
    with io.TextIOWrapper(content, encoding=dialect.text_encoding, newline="") as text:
        source: Any = _ReplacedHeader(text, dialect)
        parts = pd.read_csv(
            source,
            sep=dialect.separator,
            index_col=False,
            dtype=str,
            keep_default_na=False,
            na_values=NULL_STRINGS,
            chunksize=rows,
            on_bad_lines="error",
        )
        for part in parts:
            if part.iloc[:, len(names) :].notna().any(axis=None):
                raise pd.errors.ParserError("a row has more fields than the header has names")
            progress(raw.tell() / raw_bytes)
            yield part.iloc[:, : len(names)].set_axis(names, axis=1)


class _ReplacedHeader:
    """A text stream whose header is replaced by column numbers, plus one more than the header has names.

    pandas silently drops extra fields in the first row of a part. The additional column catches them. Replacing the
    header also avoids that pandas miscounts quoted line breaks in the lines above it.
    """

    def __init__(self, text: io.TextIOWrapper, dialect: Dialect):
        for _ in range(dialect.lines_before_rows):
            next(text)
        self._header = dialect.separator.join(str(index) for index in range(len(dialect.header) + 1)) + "\n"
        self._text = text

    def read(self, size: int = -1) -> str:
        header, self._header = self._header, ""
        return header or self._text.read(size)

    def __iter__(self) -> Iterator[str]:  # pandas requires the method but calls `read`
        return iter(self._text)


@contextlib.contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Raise a DataError in place of the parsers' exceptions."""
    try:
        yield
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} has no header. Give the column names in its first line.") from error
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {str(error).strip().rstrip('.')}.") from error
