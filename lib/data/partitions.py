"""Parts of a table that need never be in memory together: row groups of Parquet, or text that is written as such."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.data import guessing, numerals, parquet, plain, sources, tables
from lib.data.dialect import Dialect, look
from lib.data.dictionaries import is_text
from lib.data.endings import PARQUET
from lib.errors import DataError


@dataclass(frozen=True)
class Part:
    """Rows of a Parquet file.

    Attributes
    ----------
    path : str
    group : int
        Of its row groups.
    folders : mapping of str to Scalar
        What its folders are named by.
    """

    path: str
    group: int
    folders: Mapping[str, pa.Scalar] = field(default_factory=dict)

    def read(self, without: Collection[str] = ()) -> pd.DataFrame:
        """The rows, less some columns; ``attrs["notes"]`` are sentences on others that are left out."""
        file = pq.ParquetFile(self.path)
        names = file.schema_arrow.names
        table = file.read_row_group(self.group, columns=[name for name in names if name not in without])
        table, notes = parquet.of_plain_cells(table)
        only = [parquet.with_folders(table, self.folders, without=[*names, *without])]
        del table  # as_pandas has it alone
        frame = tables.as_pandas(only.pop())
        frame.columns = [str(name).strip() for name in frame.columns]
        frame.attrs[tables.NOTES] = notes
        return frame


def parts(uri: str, folder: Path, encoding: str = "") -> list[Part]:
    """Parts of a table on this machine.

    Parameters
    ----------
    uri : str
        A file, folder or pattern.
    folder : Path
        Where text is written as Parquet, which can be read by parts.
    encoding : str
        Of text files, by its name in Python; empty: found by looking.

    Raises
    ------
    DataError
        Where it is no such table, or text changes its type after the first rows.
    """
    if sources.is_remote(uri):
        raise DataError(f"{uri}: engine dask reads files that all workers see. Copy the table to a shared folder.")
    paths = sources.files(uri)
    if paths[0].suffix.lower() not in PARQUET:
        paths = [_as_parquet(path, folder / f"{place:04d}.parquet", encoding) for place, path in enumerate(paths)]
        return [Part(str(path), group) for path in paths for group in range(_groups(path))]
    named = parquet.folder_values(paths)
    return [
        Part(str(path), group, {name: values[place] for name, values in named.items()})
        for place, path in enumerate(paths)
        for group in range(_groups(path))
    ]


def _groups(path: Path) -> int:
    parquet.names_in(path)  # which refuses what cannot be read
    return pq.ParquetFile(path).num_row_groups


def _as_parquet(path: Path, target: Path, encoding: str) -> Path:
    """Text as Parquet, block by block, each column in the type of its first rows."""
    dialect = look(path, encoding=encoding)
    if len(set(dialect.header)) < len(dialect.header):
        raise DataError(f"{path} has a column twice. Rename all but one.")
    if dialect.is_for_python:
        raise DataError(
            f"{path} is {dialect}, in a way that engine dask cannot read. Write the table as Parquet, or say "
            "engine: memory."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    writer, rows, has_long = None, [], False
    try:
        for batch in guessing.batches(path, dialect):
            if writer is None:
                if dialect.scan.may_have_codes:
                    _refuse_codes(path, dialect, batch.schema)
                _refuse_marks(path, batch)
                writer = pq.ParquetWriter(target, batch.schema, compression="lz4")
            rows.append(batch)
            has_long = has_long or any(map(_is_long, batch.columns))
            if sum(one.num_rows for one in rows) >= tables.ROWS_PER_WRITE:
                writer.write_table(pa.Table.from_batches(rows))
                rows = []
        if writer is not None and rows:
            writer.write_table(pa.Table.from_batches(rows))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path}: {str(error).splitlines()[0]}. Engine dask takes types from the first rows; mend the column, or "
            "write the table as Parquet."
        ) from error
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise DataError(f"{path} has a header of {len(dialect.header)} columns and no row. Give a table with rows.")
    if has_long and not dialect.scan.may_have_codes:
        _refuse_codes(path, dialect, batch.schema)
    return target


def _is_long(column: pa.Array) -> bool:
    """Whether some value is a number that may have had more digits than a float keeps."""
    if not pa.types.is_floating(column.type):
        return False
    least, most = plain.ends(pa.chunked_array([column]))
    return max(-least, most) >= numerals.LARGEST_EXACT


def _refuse_marks(path: Path, batch: pa.RecordBatch) -> None:
    """Refuse numbers with marks that only who sees the whole column can tell."""
    marked = [
        name
        for name, values in zip(batch.schema.names, batch.columns, strict=True)
        if is_text(values.type) and numerals.as_numbers(pa.chunked_array([values]), name, comma=True)[0] is not None
    ]
    if marked:
        raise DataError(
            f"{path}: {', '.join(marked)} hold numbers with marks around them or among them, as in 5 %, 1,5 or n.a., "
            "which engine dask would take for texts. Write plain numbers, write the table as Parquet, or say engine: "
            "memory."
        )


def _refuse_codes(path: Path, dialect: Dialect, schema: pa.Schema) -> None:
    numbers = [field.name for field in schema if plain.is_number(field.type)]
    kept = set()
    for batch in guessing.batches(path, dialect, numbers):
        kept |= {name for name in numbers if numerals.has_codes(pa.chunked_array([batch[name]]))}
    if kept:
        raise DataError(
            f"{path}: {', '.join(sorted(kept))} hold codes such as 00501, or numbers of many digits, which would lose "
            "some as numbers. Write the table as Parquet with these columns as text."
        )
