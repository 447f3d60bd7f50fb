"""Reading of text files in the column types that pyarrow infers.

Tables here name their columns by keys: the position in the header as a string, since a header may repeat a name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from lib.tables.detect.dialect import Dialect, open_table
from lib.tables.detect.dialect_detection import detect_dialect, detect_prefix
from lib.tables.detect.type_inference import infer_types
from lib.tables.files import byte_ranges, quote_checks, ragged_rows
from lib.tables.files.arrow_options import get_column_keys, make_reader_options
from lib.tables.files.categoricals import is_text

_MAX_BLOCK_BYTES = 2**31 - 1
_BATCHES_PER_RELEASE = 16
File = tuple[Path, Dialect]


def detect_and_read(
    paths: Sequence[Path],
    exclude: Collection[str],
    use_dictionaries: bool,
    encoding: str = "",
    has_header: bool | None = None,
) -> tuple[list[File], dict[Path, pa.Table]]:
    """Detect the dialect of each file, and read simple files in the same pass over their bytes.

    A file is read at once if its start suggests that it can be split into ranges, and every byte confirms it.

    Parameters
    ----------
    paths : sequence of Path
    exclude : collection of str
        Columns not to read.
    use_dictionaries : bool
        Whether to read repetitive text columns as dictionaries.
    encoding : str
        Python name of the encoding; detected if empty.
    has_header : bool, optional
        Whether the files have a header; detected if None.

    Returns
    -------
    files : list of (Path, Dialect)
    tables : dict of Path to Table
        Rows of the files that were read.

    Raises
    ------
    DataError
        If a file is not text or has no header.
    """
    prefix_dialect = None if encoding else detect_prefix(paths[0], has_header)
    if prefix_dialect is None or not byte_ranges.can_split(paths[0], prefix_dialect):
        return [(path, detect_dialect(path, encoding, has_header)) for path in paths], {}

    keys = get_column_keys(prefix_dialect, exclude)
    types = infer_types(paths[0], prefix_dialect, keys, use_dictionaries)
    can_read = bool(types) and len(types) == len(keys)
    files, tables = [], {}
    for path in paths:
        dialect = None
        if can_read and (path is paths[0] or _has_same_prefix(path, prefix_dialect, has_header)):
            with contextlib.suppress(pa.ArrowInvalid):  # the rest of the file differs from its start
                rows, scan = byte_ranges.read(path, prefix_dialect, keys, types)
                dialect = replace(prefix_dialect, scan=scan)
                if not (quote_checks.contains_quote(rows) and quote_checks.is_misquoted(path, dialect)):
                    tables[path] = rows
        files.append((path, dialect or detect_dialect(path, encoding, has_header)))
    return files, tables


def _has_same_prefix(path: Path, prefix_dialect: Dialect, has_header: bool | None) -> bool:
    other = detect_prefix(path, has_header)
    return (
        other is not None
        and replace(other, scan=prefix_dialect.scan) == prefix_dialect
        and byte_ranges.can_split(path, other)
    )


def read_inferred(
    files: Sequence[File],
    tables: Mapping[Path, pa.Table],
    keys: Sequence[str],
    use_dictionaries: bool,
    notes: list[str] | None = None,
) -> pa.Table:
    """Read all rows of all files, each column in the type that pyarrow infers; as text if the files' types conflict.

    Parameters
    ----------
    files, tables
        From `detect_and_read`.
    keys : sequence of str
        Columns to read.
    use_dictionaries : bool
        Whether to read repetitive text columns as dictionaries.
    notes : list of str, optional
        Sentences on ragged rows are appended to it.

    Raises
    ------
    DataError
        If a row is too long or shifted. The message names the file and the line.
    """
    text_types: dict[str, pa.DataType] = {}
    if len(tables) < len(files):
        types = infer_types(*files[0], keys, use_dictionaries)
        text_types = {key: arrow_type for key, arrow_type in types.items() if is_text(arrow_type)}
    parts = [
        tables[path] if path in tables else _read_file(path, dialect, keys, text_types, notes)
        for path, dialect in files
    ]
    conflicting = [key for key in keys if _have_conflicting_types([part.schema.field(key).type for part in parts])]
    if conflicting:
        text_parts = [_read_file(path, dialect, conflicting, _make_text_types(conflicting)) for path, dialect in files]
        parts = [replace_columns(part, text_part) for part, text_part in zip(parts, text_parts, strict=True)]
    return pa.concat_tables(parts, promote_options="permissive")


def _have_conflicting_types(types: Sequence[pa.DataType]) -> bool:
    """Return whether the types of a column in several files cannot be promoted to one."""
    known_types = {*types} - {pa.null()}
    return len(known_types) > 1 and not known_types <= {pa.int64(), pa.float64()}


def read_as_text(files: Sequence[File], keys: Sequence[str]) -> pa.Table:
    """Read some columns of all files as text."""
    return pa.concat_tables([_read_file(path, dialect, keys, _make_text_types(keys)) for path, dialect in files])


def _make_text_types(keys: Sequence[str]) -> dict[str, pa.DataType]:
    return dict.fromkeys(keys, pa.string())


def replace_columns(table: pa.Table, columns: pa.Table) -> pa.Table:
    """Return a table with some of its columns replaced by columns of the same name."""
    for name in columns.column_names:
        table = table.set_column(table.column_names.index(name), name, columns[name])
    return table


def _read_file(
    path: Path,
    dialect: Dialect,
    keys: Sequence[str],
    types: Mapping[str, pa.DataType],
    notes: list[str] | None = None,
) -> pa.Table:
    """Read a file with the fastest reader that can read it."""
    rows = _read_with_arrow(path, dialect, keys, types)
    if rows is None or (quote_checks.contains_quote(rows) and quote_checks.is_misquoted(path, dialect)):
        return _read_rewritten(path, dialect, keys, types, notes)
    return rows


def _read_with_arrow(
    path: Path, dialect: Dialect, keys: Sequence[str], types: Mapping[str, pa.DataType]
) -> pa.Table | None:
    """Read a file with pyarrow, or return None if pyarrow cannot, e.g. because a row has too many fields."""
    if dialect.scan.has_balanced_quotes and not dialect.needs_csv_module:
        # Ragged rows raise ArrowInvalid: fall back to the next reader.
        if byte_ranges.can_split(path, dialect) and set(types) == set(keys):
            with contextlib.suppress(pa.ArrowInvalid):
                return byte_ranges.read(path, dialect, keys, types)[0]
        options = make_reader_options(dialect, keys, types)
        # Streaming takes less memory, but fails if a later block does not fit the types that the first block has.
        for reader in (_read_streaming, arrow_csv.read_csv):
            with contextlib.suppress(pa.ArrowInvalid):
                if path.suffix.lower() != ".zip" and not dialect.table_bytes:
                    return reader(str(path), **options)
                with open_table(path, dialect) as file:
                    return reader(file, **options)
    return None


def _read_rewritten(
    path: Path, dialect: Dialect, keys: Sequence[str], types: Mapping[str, pa.DataType], notes: list[str] | None
) -> pa.Table:
    """Rewrite a file with Python's csv module so that pyarrow can parse it, and read the result."""
    with ragged_rows.rewrite_uniform(path, dialect, notes) as (file, rows):
        if rows == 0:
            return pa.table({key: pa.array([], types.get(key, pa.null())) for key in keys})
        options = make_reader_options(ragged_rows.make_uniform_dialect(dialect), keys, types)
        try:
            return arrow_csv.read_csv(file, **options)
        except pa.ArrowInvalid:  # e.g. a value longer than a block
            options["read_options"].block_size = min(file.seek(0, os.SEEK_END), _MAX_BLOCK_BYTES)
            file.seek(0)
            return arrow_csv.read_csv(file, **options)


def _read_streaming(file: Any, **options: Any) -> pa.Table:
    """Read a file block by block in the types of the first block; every few blocks, release the memory of the text."""
    batches = []
    with arrow_csv.open_csv(file, **options) as reader:
        for batch in reader:
            batches.append(batch)
            if len(batches) % _BATCHES_PER_RELEASE == 0:
                pa.default_memory_pool().release_unused()
        return pa.Table.from_batches(batches, reader.schema)
