"""Inference of the column types of a text file from samples of its rows, by pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from lib.tables.detect.dialect import Dialect, open_ascii_compatible
from lib.tables.detect.raw_files import READ_ERRORS
from lib.tables.files import byte_ranges
from lib.tables.files.arrow_options import make_reader_options
from lib.tables.files.categoricals import ENCODED_TEXT, is_repetitive, is_text

_SAMPLE_BYTES = 2**20


def infer_types(path: Path, dialect: Dialect, keys: Sequence[str], use_dictionaries: bool) -> dict[str, pa.DataType]:
    """Infer column types from a sample of rows.

    Parameters
    ----------
    path : Path
    dialect : Dialect
    keys : sequence of str
        Columns to read, each named by its position in the header.
    use_dictionaries : bool
        Whether to read repetitive text columns as dictionaries.

    Returns
    -------
    dict of str to DataType
        Types of all columns if the file can be split into byte ranges, else of the text columns only. Dates are text
        here, and parsed later. Empty if the sample cannot be read.
    """
    if dialect.needs_csv_module:
        return {}
    can_split = byte_ranges.can_split(path, dialect)
    try:
        samples = (
            byte_ranges.read_samples(path, dialect, keys) if can_split else [_read_first_rows(path, dialect, keys)]
        )
    except (pa.ArrowInvalid, *READ_ERRORS):  # reading the whole file will raise a precise error
        return {}
    if not samples:
        return {}
    types = {}
    for key in keys:
        arrow_type = _find_common_type([sample.schema.field(key).type for sample in samples])
        if is_text(arrow_type) or pa.types.is_temporal(arrow_type):
            chunks = [pc.cast(chunk, pa.string()) for sample in samples for chunk in sample[key].chunks]
            types[key] = ENCODED_TEXT if use_dictionaries and is_repetitive(pa.chunked_array(chunks)) else pa.string()
        elif can_split:
            types[key] = arrow_type
    return types


def _find_common_type(types: Sequence[pa.DataType]) -> pa.DataType:
    """Return the type that all samples of a column fit into."""
    known_types = {arrow_type for arrow_type in types if arrow_type != pa.null()}
    if not known_types:
        return pa.null()
    if len(known_types) == 1:
        return known_types.pop()
    return pa.float64() if known_types == {pa.int64(), pa.float64()} else pa.string()


def _read_first_rows(path: Path, dialect: Dialect, keys: Sequence[str]) -> pa.Table:
    """Read the rows in the first bytes of a file, for files that cannot be split into ranges."""
    with open_ascii_compatible(path, dialect) as file:
        start, is_complete = file.read(_SAMPLE_BYTES), not file.read(1)
    if not is_complete:
        start = start[: start.rfind(b"\n") + 1]  # drop the incomplete last line
    encoding = dialect.encoding if dialect.is_ascii_compatible else "utf-8"
    options = make_reader_options(replace(dialect, encoding=encoding), keys, {})
    return arrow_csv.read_csv(pa.BufferReader(start), **options)
