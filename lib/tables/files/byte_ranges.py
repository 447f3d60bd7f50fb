"""Parallel reading of a simple text file, in byte ranges that end at line ends."""

from __future__ import annotations

import csv
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv as arrow_csv

from lib import cores
from lib.schema.missing_codes import NULL_STRINGS
from lib.tables.detect.byte_scanner import ByteScanner, TextScan
from lib.tables.detect.dialect import Dialect
from lib.tables.detect.raw_files import COMPRESSED_SUFFIXES
from lib.tables.files.arrow_numpy import RowAccumulator

_MAX_RANGE_BYTES, _RANGES_PER_CORE = 2**22, 12
# The start-up time of a pyarrow reader grows with the number of columns.
_MIN_RANGE_BYTES, _MIN_RANGE_BYTES_PER_COLUMN = 2**19, 2**15
_EMPTY_LINE = re.compile(rb"(?:\A|\n)(?=\r?\n)")
_SAMPLE_COUNT, _MAX_COLUMNS_FOR_SAMPLES = 4, 200
_MIN_SAMPLE_BYTES, _MAX_SAMPLE_BYTES, _MIN_SAMPLE_SHARE = 2**16, 2**18, 1 / 32


def can_split(path: Path, dialect: Dialect) -> bool:
    """Return whether a file is uncompressed UTF-8 in which every line break ends a row."""
    is_plain_utf8 = dialect.encoding == "utf-8" and path.suffix.lower() not in COMPRESSED_SUFFIXES
    ends_rows_with_newline = not dialect.has_cr_line_endings and not dialect.scan.has_quoted_line_breaks
    return (
        is_plain_utf8 and ends_rows_with_newline and dialect.scan.has_balanced_quotes and not dialect.needs_csv_module
    )


def read(
    path: Path, dialect: Dialect, keys: Sequence[str], types: Mapping[str, pa.DataType]
) -> tuple[pa.Table, TextScan]:
    """Read all rows in parallel, checking every byte against the assumptions in `dialect`.

    Parameters
    ----------
    path : Path
    dialect : Dialect
        From `detect_prefix`, i.e. from the first bytes only.
    keys : sequence of str
        Columns to read, as returned by `arrow_options.get_column_keys`.
    types : mapping of str to DataType
        Type of every column, by key.

    Returns
    -------
    rows : Table
        Columns are named by their keys.
    scan : TextScan
        Properties of the whole file.

    Raises
    ------
    pyarrow.ArrowInvalid
        If an assumption does not hold: a value has another type, a row has another number of fields, a value contains
        a line break, a line is not UTF-8, or there are no rows.
    """
    with path.open("rb") as file:
        begin, end = _find_first_row_offset(file, dialect), _find_table_end(file, dialect)
        ranges = list(_split_at_line_ends(file, begin, end, _choose_range_bytes(path, len(keys))))
    if not ranges:
        raise pa.ArrowInvalid("The file has no rows.")
    reader = _RangeReader(path, dialect, keys, types, buffer_bytes=max(end - start for start, end in ranges))
    accumulator, may_have_leading_zeros = RowAccumulator(), dialect.scan.may_have_leading_zeros
    total_bytes = ranges[-1][1]
    with ThreadPoolExecutor(cores.available()) as threads:
        for (_, end), (rows, has_zeros) in zip(ranges, threads.map(reader.read, ranges), strict=True):
            with reader.scan_lock:
                accumulator.append(rows, read_share=end / total_bytes)
            may_have_leading_zeros = may_have_leading_zeros or has_zeros
    return accumulator.to_table(), replace(dialect.scan, may_have_leading_zeros=may_have_leading_zeros)


class _RangeReader:
    """A reader of byte ranges that several threads share. Each thread reuses one buffer for its ranges."""

    def __init__(
        self, path: Path, dialect: Dialect, keys: Sequence[str], types: Mapping[str, pa.DataType], buffer_bytes: int
    ):
        # Scanning consists of many short NumPy calls: in several threads they would only compete for the GIL.
        self.scan_lock = threading.Lock()
        self._path, self._dialect, self._keys, self._types = path, dialect, keys, types
        self._buffer_bytes = buffer_bytes
        self._scanner = ByteScanner()
        self._thread_local = threading.local()

    def read(self, byte_range: tuple[int, int]) -> tuple[pa.Table, bool]:
        """Return the rows of a range, and whether a value may have a leading zero."""
        start, end = byte_range
        if not hasattr(self._thread_local, "buffer"):
            self._thread_local.buffer = bytearray(self._buffer_bytes)
        buffer = self._thread_local.buffer
        text = memoryview(buffer)[: end - start]
        with self._path.open("rb") as file:
            file.seek(start)
            if file.readinto(text) < len(text):
                raise OSError(f"{self._path} was shortened while it was read")
        with self.scan_lock:
            may_have_leading_zeros = self._scanner.may_have_leading_zeros(text)
        if may_have_leading_zeros is None:
            raise pa.ArrowInvalid("A line is not UTF-8.")
        rows = _parse_range(pa.py_buffer(text), self._dialect, self._keys, self._types)
        if _has_multiline_row(buffer, len(text), len(rows), self._dialect):
            raise pa.ArrowInvalid("A value contains a line break.")
        return rows, may_have_leading_zeros


def _choose_range_bytes(path: Path, column_count: int) -> int:
    """Return the size of a range in bytes: large to save overhead, but with several ranges per core."""
    balanced = path.stat().st_size // (_RANGES_PER_CORE * cores.available())
    return max(_MIN_RANGE_BYTES, _MIN_RANGE_BYTES_PER_COLUMN * column_count, min(balanced, _MAX_RANGE_BYTES))


def _has_multiline_row(buffer: bytearray, length: int, row_count: int, dialect: Dialect) -> bool:
    """Return whether a row continues on the next line. The first `length` bytes of the buffer are the range."""
    last_line = buffer[buffer.rfind(b"\n", 0, length - 1) + 1 : length]
    line_count = buffer.count(b"\n", 0, length) + (not last_line.endswith(b"\n"))
    # pyarrow skips empty lines. They are rare, so count them only if there are fewer rows than lines.
    if row_count != line_count and row_count != line_count - len(_EMPTY_LINE.findall(buffer, 0, length)):
        return True
    reader = csv.reader([last_line.decode(), ""], **dialect.csv_options)
    next(reader)
    return reader.line_num > 1  # the csv module asked for another line to complete the row


def read_samples(path: Path, dialect: Dialect, keys: Sequence[str]) -> list[pa.Table]:
    """Return rows from several positions of the file, each sample in the types that pyarrow infers from it."""
    texts = []
    with path.open("rb") as file:
        begin, length = _find_first_row_offset(file, dialect), _find_table_end(file, dialect)
        samples = _SAMPLE_COUNT if len(keys) <= _MAX_COLUMNS_FOR_SAMPLES else 1
        sample_bytes = min(max(_MIN_SAMPLE_BYTES, int(_MIN_SAMPLE_SHARE * length)), _MAX_SAMPLE_BYTES)
        step = max((length - begin) // samples, sample_bytes)
        for offset in range(begin, length, step):
            file.seek(offset)
            text = file.read(min(sample_bytes, length - offset))
            first_line = 0 if offset == begin else text.find(b"\n") + 1
            texts.append(text[first_line : text.rfind(b"\n") + 1])
    return cores.map_threads(lambda text: _parse_range(pa.py_buffer(text), dialect, keys, {}), filter(None, texts))


def _parse_range(text: pa.Buffer, dialect: Dialect, keys: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
    """Parse whole lines of a file; the types of columns that `types` lacks are inferred."""
    return arrow_csv.read_csv(
        pa.BufferReader(text),
        read_options=arrow_csv.ReadOptions(
            use_threads=False,
            block_size=max(text.size, 1),
            column_names=[str(index) for index in range(len(dialect.header))],
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=dialect.separator),
        convert_options=arrow_csv.ConvertOptions(
            check_utf8=False,
            strings_can_be_null=True,
            null_values=NULL_STRINGS,
            include_columns=list(keys),
            column_types=dict(types),
        ),
    )


def _find_first_row_offset(file: BinaryIO, dialect: Dialect) -> int:
    """Return the offset in bytes of the first row below the header."""
    file.seek(0)
    for _ in range(dialect.lines_before_rows):
        file.readline()
    return file.tell()


def _find_table_end(file: BinaryIO, dialect: Dialect) -> int:
    """Return the offset in bytes of the end of the last row."""
    return dialect.table_bytes or os.fstat(file.fileno()).st_size


def _split_at_line_ends(file: BinaryIO, begin: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive byte ranges (start, end) of at least `size` bytes, each up to the end of a line."""
    while begin < end:
        file.seek(min(begin + size, end))
        if file.tell() < end:
            file.readline()
        yield begin, file.tell()
        begin = file.tell()
