"""Tables some rows at a time, in bounded memory: whatever `tables` reads, however long it is.

Values of a text file come as text, whatever they look like: what a column is to be is known to whoever asks for it
and not to some of its rows. Those of a Parquet file come in its types.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.data import cleaning, marks, mending, parquet
from lib.data.counts import Mark
from lib.data.dialect import Dialect, look, opened
from lib.data.endings import PARQUET, check_file
from lib.data.numerals import NULLS
from lib.errors import DataError

_BLOCK_BYTES = 2**22


def dialect_of(path: Path, encoding: str = "") -> Dialect | None:
    """How a text file is written; None of a Parquet file.

    Parameters
    ----------
    path : Path
    encoding : str
        Of a text file, by its name in Python; empty: found by looking.

    Raises
    ------
    DataError
        Naming the file and what is wrong with it.
    """
    check_file(path)
    if path.suffix.lower() in PARQUET:
        return None
    with _readable(path):
        return look(path, encoding=encoding)


def read(
    path: Path, dialect: Dialect | None, rows: int, progress: Callable[[float], object] = bool
) -> Iterator[pd.DataFrame]:
    """Read a table some rows at a time.

    Parameters
    ----------
    path : Path
        As `tables.read` takes it.
    dialect : Dialect or None
        As `dialect_of` has found it.
    rows : int
        Of each part, at the most.
    progress : callable
        Told the share of the file that was read, 0 to 1, before each part.

    Yields
    ------
    DataFrame
        With the row numbers of the table, from 0, as its index.

    Raises
    ------
    DataError
        Naming the file and what is wrong with it.
    """
    count = 0
    for part in _parquet(path, rows, progress) if dialect is None else _text(path, dialect, rows, progress):
        part.index = range(count, count + len(part))
        count += len(part)
        yield part
    if not count:
        raise DataError(f"{path} has no row. Give a table with a header and rows.")


def marks_of(path: Path, dialect: Dialect | None, rows: int) -> dict[str, Mark]:
    """What commas and points are in the numbers of each column, seen in all rows.

    Parameters
    ----------
    path, dialect, rows
        As of `read`.

    Returns
    -------
    dict
        By column; empty where numbers are typed, or where commas separate and no value is in quotes.
    """
    if dialect is None:
        return {}
    comma = dialect.separator != ","
    return marks.of_columns(read(path, dialect, rows), comma) if comma or _has_quotes(path) else {}


def _has_quotes(path: Path) -> bool:
    with _readable(path), opened(path) as file:
        return any(b'"' in block for block in iter(lambda: file.read(_BLOCK_BYTES), b""))


def _parquet(path: Path, rows: int, progress: Callable[[float], object]) -> Iterator[pd.DataFrame]:
    try:
        file = pq.ParquetFile(path)
        done, total = 0, max(1, file.metadata.num_rows)
        texts = [
            field.name for field in file.schema_arrow if parquet.is_of_bytes(field.type) and _are_texts(file, field)
        ]
        for batch in file.iter_batches(batch_size=rows):
            progress(done / total)
            for name in texts:
                batch = batch.set_column(batch.schema.names.index(name), name, parquet.as_texts(batch[name]))
            frame = batch.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
            # An index with a name was a column once; one without is the row number.
            named = [name for name in frame.index.names if name is not None]
            frame = frame.reset_index(level=named).reset_index(drop=True)
            yield frame.set_axis([str(name).strip() for name in frame.columns], axis=1)
            done += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no whole Parquet file: {str(error).splitlines()[0]}") from error


def _are_texts(file: pq.ParquetFile, field: pa.Field) -> bool:
    """Whether all of a column's bytes are texts, so that it is one of texts in every part."""
    return all(parquet.as_texts(batch[field.name]) is not None for batch in file.iter_batches(columns=[field.name]))


def _text(path: Path, dialect: Dialect, rows: int, progress: Callable[[float], object]) -> Iterator[pd.DataFrame]:
    with _readable(path):
        if dialect.is_for_python:
            with mending.mended(path, dialect) as (content, _):
                yield from _parts(content, content, mending.anew(dialect), rows, progress)
            return
        try:
            with path.open("rb") as raw, opened(path, raw) as content:
                yield from _parts(raw, content, dialect, rows, progress)
        except pd.errors.ParserError:
            mending.check_lengths(path, dialect)  # which names the lines
            raise


def _parts(
    raw: BinaryIO, content: BinaryIO, dialect: Dialect, rows: int, progress: Callable[[float], object]
) -> Iterator[pd.DataFrame]:
    size = max(1, os.fstat(raw.fileno()).st_size)
    encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
    names = cleaning.deduplicate_names(dialect.header)
    with io.TextIOWrapper(content, encoding=encoding, newline="") as text:
        parts = pd.read_csv(
            _Numbered(text, dialect),
            sep=dialect.separator,
            index_col=False,
            dtype=str,
            keep_default_na=False,
            na_values=NULLS,
            chunksize=rows,
            on_bad_lines="error",
        )
        for part in parts:
            if part.iloc[:, len(names) :].notna().any(axis=None):
                raise pd.errors.ParserError("a row has more fields than the header has names")
            progress(raw.tell() / size)
            yield part.iloc[:, : len(names)].set_axis(names, axis=1)


class _Numbered:
    """A text whose header is the places of its columns, and of one more.

    In the first row of a part pandas passes over what is behind the last name; and of lines above the header it counts
    two in quotes as one.
    """

    def __init__(self, text: io.TextIOWrapper, dialect: Dialect):
        for _ in range(dialect.lines_before):
            next(text)
        next(filter(None, csv.reader(text, **dialect.for_csv)))
        self._header = dialect.separator.join(map(str, range(len(dialect.header) + 1))) + "\n"
        self._text = text

    def read(self, size: int = -1) -> str:
        header, self._header = self._header, ""
        return header or self._text.read(size)

    def __iter__(self) -> Iterator[str]:  # pandas asks for it, and reads
        return iter(self._text)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Tell what is wrong with a text file in words."""
    try:
        yield
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} has no header. Its first line names the columns.") from error
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {str(error).strip().rstrip('.')}.") from error
