"""Rows of text files in the types that pyarrow guesses, read while all bytes are looked at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from lib.data import mending, ranges
from lib.data.dialect import UNREADABLE, Dialect, foresee, look, opened
from lib.data.dictionaries import ENCODED_TEXT, is_repetitive, is_text
from lib.data.numerals import NULLS

_FORESEEN_BYTES = 2**20
_BLOCK_BYTES, _LARGEST_BLOCK_BYTES, _BATCHES_PER_RELEASE = 2**21, 2**31 - 1, 16


def read_ahead(
    paths: Sequence[Path], without: Collection[str], encoded: bool, encoding: str = ""
) -> tuple[list[tuple[Path, Dialect]], dict[Path, pa.Table]]:
    """Dialect of each file, and the rows of those that were read while all their bytes were looked at.

    That is tried where a file's beginning says that it can be cut into ranges; the first that is not as plain ends it.

    Parameters
    ----------
    paths : sequence of Path
    without : collection of str
        Columns that are not read.
    encoded : bool
        Whether texts that come again and again are read as dictionaries.
    encoding : str
        Of the files, by its name in Python; empty: found by looking.

    Returns
    -------
    files : list of (Path, Dialect)
    found : dict of Path to Table
        Columns are named by their places in the header.

    Raises
    ------
    DataError
        Where a file is no text, or has no header.
    """
    begun = None if encoding else foresee(paths[0])
    places, types = [], {}
    if begun and ranges.may_be_cut(paths[0], begun):
        places = places_of(begun, without)
        types = _foreseen(paths[0], begun, places, encoded)
    files, found = [], {}
    for path in paths:
        dialect = None
        if types and len(types) == len(places) and (path is paths[0] or _begins_as(path, begun)):
            with contextlib.suppress(pa.ArrowInvalid):  # its other rows are not as its first ones
                found[path], scanned = ranges.read(path, begun, places, types)
                dialect = replace(begun, scan=scanned)
        files.append((path, dialect or look(path, encoding)))
    return files, found


def _begins_as(path: Path, begun: Dialect) -> bool:
    other = foresee(path)
    return other is not None and replace(other, scan=begun.scan) == begun and ranges.may_be_cut(path, other)


def guess(
    files: Sequence[tuple[Path, Dialect]], found: Mapping[Path, pa.Table], places: Sequence[str], encoded: bool
) -> pa.Table:
    """All rows, each column in the type that pyarrow finds in every file, or as text.

    Parameters
    ----------
    files, found
        As `read_ahead` returns them.
    places : sequence of str
        Of the columns to read, in the header.
    encoded : bool
        Whether texts that come again and again are read as dictionaries.

    Raises
    ------
    DataError
        Naming the file and the line of a row that is too long.
    """
    texts = {}
    if len(found) < len(files):
        foreseen = _foreseen(*files[0], places, encoded)
        texts = {place: kind for place, kind in foreseen.items() if is_text(kind)}
    tables = [found[path] if path in found else _table(path, dialect, places, texts) for path, dialect in files]
    numbers = {pa.int64(), pa.float64(), pa.null()}
    differing = [
        place
        for place in places
        if len(kinds := {table.schema.field(place).type for table in tables} - {pa.null()}) > 1 and not kinds <= numbers
    ]
    if differing:
        as_text = [_table(*file, differing, _as_text(differing)) for file in files]
        tables = [with_columns(*pair) for pair in zip(tables, as_text, strict=True)]
    return pa.concat_tables(tables, promote_options="permissive")


def _as_text(places: Sequence[str]) -> dict[str, pa.DataType]:
    return dict.fromkeys(places, pa.string())


def as_texts(files: Sequence[tuple[Path, Dialect]], places: Sequence[str]) -> pa.Table:
    """Some columns of all files as the texts that stand there."""
    return pa.concat_tables([_table(path, dialect, places, _as_text(places)) for path, dialect in files])


def with_columns(table: pa.Table, columns: pa.Table) -> pa.Table:
    """Table with other columns in the place of those of the same name."""
    for place in columns.column_names:
        table = table.set_column(table.column_names.index(place), place, columns[place])
    return table


def _table(path: Path, dialect: Dialect, places: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
    options = _options(dialect, places, types)
    if dialect.scan.is_balanced and not dialect.is_for_python:
        # Where a row is too long or too short, this fails, and the next way is taken.
        if ranges.may_be_cut(path, dialect) and set(types) == set(places):
            with contextlib.suppress(pa.ArrowInvalid):
                return ranges.read(path, dialect, places, types)[0]
        for reader in (_streamed, arrow_csv.read_csv):
            with contextlib.suppress(pa.ArrowInvalid):
                if path.suffix.lower() != ".zip":
                    return reader(str(path), **options)
                with opened(path) as file:
                    return reader(file, **options)
    with mending.mended(path, dialect) as (file, rows):
        if rows == 0:
            return pa.table({place: pa.array([], types.get(place, pa.null())) for place in places})
        options = _options(mending.anew(dialect), places, types)
        try:
            return arrow_csv.read_csv(file, **options)
        except pa.ArrowInvalid:  # as of a value that is longer than a block
            options["read_options"].block_size = min(file.seek(0, os.SEEK_END), _LARGEST_BLOCK_BYTES)
            file.seek(0)
            return arrow_csv.read_csv(file, **options)


def batches(path: Path, dialect: Dialect, texts: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
    """Rows of a file, some thousand at a time, in the types of its first rows; dates and `texts` as text.

    Raises
    ------
    pyarrow.ArrowInvalid
        Where a later row does not fit.
    """
    places = [str(place) for place in range(len(dialect.header))]
    asked = [str(place) for place, name in enumerate(dialect.header) if name in texts]
    types = _as_text(asked) if asked else _foreseen(path, dialect, places, encoded=False)
    options = _options(dialect, asked or places, types)
    names = [dialect.header[int(place)] for place in asked or places]
    with opened(path) as file, arrow_csv.open_csv(file, **options) as reader:
        for batch in reader:
            yield batch.rename_columns(names)


def _streamed(file: Any, **options: Any) -> pa.Table:
    found = []
    with arrow_csv.open_csv(file, **options) as reader:
        for batch in reader:
            found.append(batch)
            if len(found) % _BATCHES_PER_RELEASE == 0:
                pa.default_memory_pool().release_unused()  # what the text itself took
        return pa.Table.from_batches(found, reader.schema)


def _options(dialect: Dialect, places: Sequence[str], types: Mapping[str, pa.DataType]) -> dict:
    names = [str(place) for place in range(len(dialect.header))]  # a header may have a name twice
    encoding = "utf8" if dialect.encoding == "utf-8" else dialect.encoding  # the former spares a pass through Python
    return {
        "read_options": arrow_csv.ReadOptions(
            block_size=_BLOCK_BYTES,
            column_names=names,
            skip_rows=dialect.lines_before,
            skip_rows_after_names=1,
            encoding=encoding,
        ),
        "parse_options": arrow_csv.ParseOptions(
            delimiter=dialect.separator, newlines_in_values=dialect.scan.has_breaks
        ),
        "convert_options": arrow_csv.ConvertOptions(
            strings_can_be_null=True,
            null_values=NULLS,
            include_columns=list(places),
            column_types=dict(types),
        ),
    }


def places_of(dialect: Dialect, without: Collection[str]) -> list[str]:
    """Places in the header of the columns that are read, each as a text, which names it in the tables here."""
    return [str(place) for place, name in enumerate(dialect.header) if name not in without]


def _foreseen(path: Path, dialect: Dialect, places: Sequence[str], encoded: bool) -> dict[str, pa.DataType]:
    """Types to ask for, by some of the rows: dates and times as text, which are then not read twice.

    Of every column where the file can be cut into ranges, else of those that are not to be guessed.
    """
    if dialect.is_for_python:
        return {}
    is_cut = ranges.may_be_cut(path, dialect)
    try:
        some = ranges.samples(path, dialect, places) if is_cut else [_first_rows(path, dialect, places)]
    except (pa.ArrowInvalid, *UNREADABLE):  # whoever reads all of it says where and why
        return {}
    types = {}
    for place in places if some else ():
        kind = _common([table.schema.field(place).type for table in some])
        if is_text(kind) or pa.types.is_temporal(kind):
            texts = pa.chunked_array([pc.cast(chunk, pa.string()) for table in some for chunk in table[place].chunks])
            types[place] = ENCODED_TEXT if encoded and is_repetitive(texts) else pa.string()
        elif is_cut:
            types[place] = kind
    return types


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """Type that all values can have."""
    found = {kind for kind in kinds if kind != pa.null()}
    if len(found) > 1:
        return pa.float64() if found == {pa.int64(), pa.float64()} else pa.string()
    return found.pop() if found else pa.null()


def _first_rows(path: Path, dialect: Dialect, places: Sequence[str]) -> pa.Table:
    with opened(path) as file:
        start = file.read(_FORESEEN_BYTES)
    if dialect.has_plain_breaks and len(start) == _FORESEEN_BYTES:
        start = start[: start.rfind(b"\n") + 1]
    return arrow_csv.read_csv(pa.BufferReader(start), **_options(dialect, places, {}))
