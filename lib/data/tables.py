"""Tables from and to files: text in its many dialects, and Parquet."""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib import cores
from lib.data import parquet, plain, text
from lib.data.dictionaries import ENCODED_TEXT, dictionary_values, is_repetitive, is_text
from lib.data.endings import PARQUET, check_file
from lib.data.numerals import LARGEST_EXACT
from lib.errors import DataError, NameNotFound

# What is told beside a table: attributes of its frame.
NOTES, UNREAD = "notes", "unread"
ROWS_PER_WRITE = 2**18
_BYTES_AT_ONCE = 2**23
# A longer dictionary, of Python's objects, takes more than it spares.
_MOST_LEVELS, _ROWS_PER_LEVEL = 10_000, 20
_FEW_LEVELS = 20
ARROW_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)


def read(
    path: Path | Sequence[Path], without: Collection[str] = (), arrow_texts: bool = False, encoding: str = ""
) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : Path or sequence of Path
        Parquet files, or text files (``.csv``, ``.tsv``, ``.txt``, plain, ``.gz`` or ``.zip`` with one file in it)
        whose separator, encoding and decimal mark are found by looking.
    without : collection of str
        Columns that are not read.
    arrow_texts : bool
        Whether texts stay in Arrow's memory, as pandas' type ``str``, or as categories where they come again and again;
        else they are objects of Python, which whoever works on them may expect and which take several times the memory
        and time.
    encoding : str
        Of text files, by its name in Python; empty: found by looking.

    Returns
    -------
    DataFrame of shape (rows, columns)
        Names of columns are without blanks at their ends. ``attrs["notes"]`` are sentences on how it was read,
        ``attrs["unread"]`` the columns that were left out.

    Raises
    ------
    DataError
        Naming the file and, where it is known, the line.
    NameNotFound
        Where a column to be left out is not there.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    for one in paths:
        check_file(one)
    if paths[0].suffix.lower() in PARQUET:
        table, known, notes = parquet.read(paths, without)
        declared = {field.name for field in table.schema if pa.types.is_dictionary(field.type)}
    else:
        declared = set()
        table, known, notes = text.read(paths, without, arrow_texts, encoding)
        if folders := [name for name in parquet.folder_values(paths) if name not in known]:
            notes.append(f"What folders are named by ({', '.join(folders)}) is a column of Parquet files alone.")
    for name in without:
        if name not in known:
            raise NameNotFound("column", name, known, where=f"{paths[0]} (drop_columns)")
    if table.num_rows == 0:
        raise DataError(f"{paths[0]} has a header of {len(known)} columns and no row. Give a table with rows.")
    only = [table]
    del table  # who still held it would keep its columns from going, one by one
    frame = as_pandas(only.pop(), arrow_texts, declared)
    frame.columns = [str(name).strip() for name in frame.columns]
    frame = _of_common_types(frame)
    frame.attrs.update({NOTES: notes, UNREAD: list(without)})
    return frame


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # another run may write the same rows
    table = as_arrow(frame)
    # Numbers hardly repeat: looking for those that do takes longer than writing them, as does looking for ends.
    texts = [field.name for field in table.schema if not _is_number_or_moment(field.type)]
    # Readers are told the types of the frame, for which texts are texts, however they lie in memory here.
    told = pa.schema(
        [field.with_type(pa.string()) if is_encoded(frame[field.name]) else field for field in table.schema]
    )
    # Decimals hardly shrink either, and whole numbers by their differences, in a third less time.
    whole = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    packed = {
        field.name: "none" if pa.types.is_floating(field.type) or field.name in whole else "lz4"
        for field in table.schema
        if not pa.types.is_nested(field.type)
    }
    # Of columns without a missing value nothing has to be written on which are there.
    schema = pa.schema(
        [
            field.with_nullable(table[field.name].null_count > 0 or pa.types.is_null(field.type))
            for field in table.schema
        ]
    )
    table = pa.Table.from_arrays(table.columns, schema=schema)
    options = {"use_dictionary": texts, "write_statistics": False, "compression": packed, "store_schema": False}
    options["column_encoding"] = dict.fromkeys(whole, "DELTA_BINARY_PACKED")
    with pq.ParquetWriter(part, schema, **options) as writer:
        writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(told.serialize())})
        writer.write_table(table, row_group_size=ROWS_PER_WRITE)
    part.replace(path)


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    """Table in Arrow; a column of mixed types, or of one that Parquet cannot hold, becomes text."""
    arrays = {}
    for name in frame.columns:
        # Of decimals NumPy finds missing ones in a tenth of Arrow's time.
        if frame[name].dtype in (np.float64, np.float32):
            numbers = np.ascontiguousarray(frame[name].to_numpy())
            arrays[name] = plain.arrow_array(numbers, ~np.isnan(numbers))
            continue
        try:
            arrays[name] = pa.array(frame[name], from_pandas=True)
            if isinstance(getattr(arrays[name].type, "value_type", None), pa.BaseExtensionType):
                raise pa.ArrowTypeError("categories that are intervals, as pandas.cut makes them")
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            texts = frame[name].astype(object).map(str, na_action="ignore")
            arrays[name] = pa.array(texts, type=pa.string(), from_pandas=True)
    return pa.table(arrays)


def _is_number_or_moment(kind: pa.DataType) -> bool:
    return plain.is_number(kind) or pa.types.is_temporal(kind)


def is_encoded(values: pd.Series) -> bool:
    """Whether a column holds texts as categories, for their size alone: those that a user declared have objects."""
    return isinstance(values.dtype, pd.CategoricalDtype) and isinstance(values.dtype.categories.dtype, pd.StringDtype)


def decoded(values: pd.Series) -> pd.Series:
    """Texts that a column holds as categories, in Arrow's memory."""
    texts = pc.cast(pa.array(values, from_pandas=True), pa.string())
    return texts.to_pandas(types_mapper={pa.string(): ARROW_TEXT}.get).set_axis(values.index).rename(values.name)


def counted(values: pd.Series) -> pd.Series:
    """How often each value comes, the most frequent first; levels of a category that no row has are left out."""
    if is_encoded(values) and len(values.cat.categories) <= _FEW_LEVELS:  # one by one in a fraction of the time
        codes, levels = values.array.codes, values.cat.categories
        counts = pd.Series([np.count_nonzero(codes == code) for code in range(len(levels))], index=levels, dtype=int)
        counts = counts.sort_values(ascending=False, kind="stable")
    else:
        counts = values.value_counts()
    return counts[counts > 0]


def as_texts(values: pd.Series) -> pd.Series:
    """Column as texts, missing ones too; of a column that holds texts already, the column itself."""
    if isinstance(values.dtype, pd.StringDtype) or is_encoded(values):
        return values
    return values.astype(str)


def column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """One column, found by its name.

    Raises
    ------
    NameNotFound
        With the nearest name.
    DataError
        Where two columns bear it.
    """
    if name not in frame.columns and frame.shape[1] == 1 and name in str(frame.columns[0]):
        raise DataError(
            f"{where} has no column {name!r} but one alone, {frame.columns[0]!r}. Is it separated by something else "
            "than commas, semicolons, tabs, bars or blanks?"
        )
    if name not in frame.columns:
        raise NameNotFound("column", name, frame.columns, where=where)
    found = frame[name]
    if isinstance(found, pd.DataFrame):
        places = [str(index + 1) for index, one in enumerate(frame.columns) if one == name]
        raise DataError(
            f"{where} has {len(places)} columns {name!r} (columns {' and '.join(places)}). Rename all but one."
        )
    return found


def as_pandas(table: pa.Table, arrow_texts: bool = False, declared: Collection[str] = ()) -> pd.DataFrame:
    """Table in pandas, for who has it alone: some of its memory becomes the frame's, which may be written to.

    What is made is gone from it before the next is made. Dictionaries become categories; of those that are not
    `declared` to be some, the levels are texts of Arrow.
    """
    types = {pa.string(): ARROW_TEXT}.get if arrow_texts else None
    texts = [
        place
        for place, field in enumerate(table.schema)
        if arrow_texts and is_text(field.type) and field.name not in declared
    ]
    columns: dict[int, Any] = dict(zip(texts, cores.map_threads(_encoded, map(table.column, texts)), strict=True))
    encoded = {place for place in texts if columns[place].type == ENCODED_TEXT}
    for place, field in enumerate(table.schema):
        values = table.column(place)
        if pa.types.is_integer(field.type) and values.null_count and _is_beyond_floats(values):
            # Beside missing values pandas makes floats of whole numbers, which would change these.
            columns[place] = pc.cast(values, pa.string())
        del values
    for place in list(columns):
        table = table.set_column(place, table.schema.field(place).name, columns.pop(place))
    # By their places: a header may have a name twice.
    names = table.column_names
    if b"pandas" in (table.schema.metadata or {}):  # which knows of types and an index
        table = table.rename_columns(list(map(str, range(len(names))))) if len(set(names)) < len(names) else table
        frame = table.to_pandas(split_blocks=True, self_destruct=True, types_mapper=types)
        for place in encoded:
            values = frame.iloc[:, place]
            frame.isetitem(place, values.cat.rename_categories(values.cat.categories.astype(ARROW_TEXT)))
    else:
        categories = {place: dictionary_values(table.column(place)) for place in encoded}
        numbers = plain.taken_over(table)
        columns = plain.empty(table, numbers, encoded)
        batches = table.select(list(columns)).to_batches() if columns else []
        others = [place for place in range(len(names)) if place not in columns and place not in numbers]
        table = table.select(others)
        plain.fill(columns, batches)
        columns |= numbers
        for place, found in categories.items():
            kinds = pd.Index(found.to_pandas(types_mapper=types))
            columns[place] = pd.Categorical.from_codes(columns[place], kinds, validate=False)
        while others:
            some = table.columns[: max(cores.available(), _BYTES_AT_ONCE // (8 * table.num_rows + 1))]
            table = table.select(range(len(some), table.num_columns))
            made = cores.map_threads(lambda one: one.to_pandas(types_mapper=types), some)
            columns |= zip(others[: len(some)], made, strict=True)
            others = others[len(some) :]
            del some, made
            pa.default_memory_pool().release_unused()  # which it would keep for its next table
        frame = pd.DataFrame({place: columns[place] for place in range(len(names))}, copy=False)
        frame.columns = names
    frame = _writeable(frame)
    pa.default_memory_pool().release_unused()
    # An index with a name was a column once; one without is the row number.
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(level=named).reset_index(drop=True) if named else _numbered(frame)


def _of_common_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Frame whose spans of time that are named (``2024-03``) are their first moment, and whose intervals are texts."""
    for place, kind in enumerate(frame.dtypes):
        if isinstance(kind, pd.PeriodDtype):
            frame.isetitem(place, frame.iloc[:, place].dt.to_timestamp())
        elif isinstance(kind, pd.IntervalDtype):
            frame.isetitem(place, frame.iloc[:, place].astype(object).map(str, na_action="ignore"))
    return frame


def _encoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as a dictionary, the same in all chunks, where that is small, and else as they are."""
    if values.type != ENCODED_TEXT:
        return values.dictionary_encode() if pa.types.is_string(values.type) and is_repetitive(values) else values
    values = values.unify_dictionaries()
    return (
        pc.cast(values, pa.string())
        if len(dictionary_values(values)) > max(_MOST_LEVELS, len(values) // _ROWS_PER_LEVEL)
        else values
    )


def _writeable(frame: pd.DataFrame) -> pd.DataFrame:
    """Frame whose columns a pipeline may change; where pandas has taken over Arrow's memory, they are read-only."""
    columns, is_changed = {}, False
    for place, kind in enumerate(frame.dtypes):
        columns[place] = values = frame.iloc[:, place]
        if isinstance(kind, np.dtype) and not values.to_numpy(copy=False).flags.writeable:
            columns[place], is_changed = values.copy(), True
    return pd.DataFrame(columns, copy=False).set_axis(frame.columns, axis=1) if is_changed else frame


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    frame.index = pd.RangeIndex(len(frame))  # reset_index would copy the table
    return frame


def _is_beyond_floats(values: pa.ChunkedArray) -> bool:
    least, most = plain.ends(values)
    return max(-least, most) >= LARGEST_EXACT
