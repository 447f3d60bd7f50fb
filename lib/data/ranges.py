"""A plain text file cut at ends of lines, so that every core reads a part of it."""

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
from lib.data.dialect import Dialect
from lib.data.numerals import NULLS
from lib.data.plain import Gathered
from lib.data.scan import Look, Scan

# Each range has steps for which threads wait for each other: the fewer the better, but some for each core.
_LARGEST_RANGE_BYTES, _RANGES_PER_CORE = 2**22, 12
# A reader of many columns takes long to start, whatever there is to read.
_LEAST_RANGE_BYTES, _RANGE_BYTES_PER_COLUMN = 2**19, 2**15
_EMPTY_LINE = re.compile(rb"(?:\A|\n)(?=\r?\n)")
_SAMPLES, _SAMPLE_BYTES, _MOST_SAMPLED_COLUMNS = 4, 2**18, 200


def may_be_cut(path: Path, dialect: Dialect) -> bool:
    """Whether a line break always ends a row, and the bytes can be read as they stand."""
    is_plain = not dialect.has_old_breaks and path.suffix.lower() not in (".gz", ".zip") and dialect.encoding == "utf-8"
    return is_plain and dialect.scan.is_balanced and not dialect.scan.has_breaks and not dialect.is_for_python


def read(
    path: Path, dialect: Dialect, places: Sequence[str], types: Mapping[str, pa.DataType]
) -> tuple[pa.Table, Scan]:
    """All rows, and what their bytes tell.

    Parameters
    ----------
    path : Path
    dialect : Dialect
        As the file begins.
    places : sequence of str
        Of the columns that are read.
    types : mapping of str to DataType
        Of every column.

    Raises
    ------
    pyarrow.ArrowInvalid
        Where a value is of another type, a row is too long or too short, a range is not as plain as the beginning, or
        there is no row.
    """
    even = path.stat().st_size // (_RANGES_PER_CORE * cores.available())
    least = max(_LEAST_RANGE_BYTES, _RANGE_BYTES_PER_COLUMN * len(places))
    size = max(least, min(even, _LARGEST_RANGE_BYTES))
    with path.open("rb") as file:
        bounds = list(_bounds(file, _begin(file, dialect), size))
    if not bounds:
        raise pa.ArrowInvalid("There is no row.")
    # A look has many short steps, at each of which two threads would wait for Python's lock; reading has none.
    one_at_a_time, look, kept = threading.Lock(), Look(), threading.local()
    longest = max(end - start for start, end in bounds)

    def part(bounds: tuple[int, int]) -> tuple[pa.Table, bool]:
        start, end = bounds
        if not hasattr(kept, "memory"):  # new memory for every range would take longer than to read it
            kept.memory = bytearray(longest)
        text = memoryview(kept.memory)[: end - start]
        with path.open("rb") as file:
            file.seek(start)
            if file.readinto(text) < len(text):
                raise OSError(f"{path} has become shorter while it was read")
        with one_at_a_time:
            has_codes = look.may_have_codes(text)
        if has_codes is None:
            raise pa.ArrowInvalid("These lines are no UTF-8.")
        rows = _part(pa.py_buffer(text), dialect, places, types)
        if _goes_on(kept.memory, len(text), len(rows), dialect):
            raise pa.ArrowInvalid("A value holds a line break.")
        return rows, has_codes

    gathered, codes = Gathered(), dialect.scan.may_have_codes
    with ThreadPoolExecutor(cores.available()) as threads:
        for (_, end), (rows, has_some) in zip(bounds, threads.map(part, bounds), strict=True):
            with one_at_a_time:
                gathered.add(rows, share=end / bounds[-1][1])
            codes = codes or has_some
    return gathered.table(), replace(dialect.scan, may_have_codes=codes)


def _goes_on(memory: bytearray, length: int, rows: int, dialect: Dialect) -> bool:
    """Whether some row of a text goes on in a next line, which for the last one may be in the next range."""
    last = memory[memory.rfind(b"\n", 0, length - 1) + 1 : length]
    lines = memory.count(b"\n", 0, length) + (not last.endswith(b"\n"))
    if rows != lines and rows != lines - len(_EMPTY_LINE.findall(memory, 0, length)):
        return True
    reader = csv.reader([last.decode(), ""], **dialect.for_csv)
    next(reader)
    return reader.line_num > 1


def samples(path: Path, dialect: Dialect, places: Sequence[str]) -> list[pa.Table]:
    """Some rows from several places of the file, in the types that each of them shows."""
    texts = []
    with path.open("rb") as file:
        begin, length = _begin(file, dialect), os.fstat(file.fileno()).st_size
        step = (length - begin) // (_SAMPLES if len(places) <= _MOST_SAMPLED_COLUMNS else 1)
        for place in range(begin, length, max(step, _SAMPLE_BYTES)):
            file.seek(place)
            text = file.read(_SAMPLE_BYTES)
            texts.append(text[0 if place == begin else text.find(b"\n") + 1 : text.rfind(b"\n") + 1])
    return cores.map_threads(lambda text: _part(pa.py_buffer(text), dialect, places, {}), filter(None, texts))


def _part(text: pa.Buffer, dialect: Dialect, places: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
    return arrow_csv.read_csv(
        pa.BufferReader(text),
        read_options=arrow_csv.ReadOptions(
            use_threads=False,
            block_size=max(text.size, 1),
            column_names=[str(place) for place in range(len(dialect.header))],
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=dialect.separator),
        convert_options=arrow_csv.ConvertOptions(
            check_utf8=False,
            strings_can_be_null=True,
            null_values=NULLS,
            include_columns=list(places),
            column_types=dict(types),
        ),
    )


def _begin(file: BinaryIO, dialect: Dialect) -> int:
    """Where the first row begins."""
    file.seek(0)
    for _ in range(dialect.lines_before + 1):
        file.readline()
    return file.tell()


def _bounds(file: BinaryIO, begin: int, size: int) -> Iterator[tuple[int, int]]:
    length = os.fstat(file.fileno()).st_size
    while begin < length:
        file.seek(min(begin + size, length))
        file.readline()
        yield begin, file.tell()
        begin = file.tell()
