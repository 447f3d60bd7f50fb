"""Tables from and to files: CSV in its many dialects, and Parquet."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import warnings
import zipfile
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import DataError, NameNotFound

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".txt", ".gz", ".zip")
_SEPARATORS = ",;\t|"
_SNIFFED_BYTES = 65536
# What a file that is broken, encrypted or no archive at all raises.
_UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


def read(path: Path) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : Path
        A Parquet file, or a text file (``.csv``, ``.tsv``, ``.txt``, plain, ``.gz`` or ``.zip`` with one file in it)
        whose separator is found by looking, in UTF-8, UTF-16 or, where it is neither, in Windows' Latin-1 (cp1252).
        Where a comma does not separate, it may be the decimal mark.

    Returns
    -------
    DataFrame of shape (rows, columns)
        Names of columns are without blanks at their ends.

    Raises
    ------
    DataError
        Naming the file and, where it is known, the line.
    """
    if not path.is_file():
        raise DataError(f"{path} is no file. Give the path of a {' or '.join(PARQUET[:1] + TEXT)} file.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes). Give a table with a header and rows.")
    suffix = path.suffix.lower()
    if suffix not in PARQUET + TEXT:
        raise DataError(f"{path}: a {suffix or 'nameless'} file cannot be read; known are {', '.join(PARQUET + TEXT)}.")
    frame = _read_parquet(path) if suffix in PARQUET else _read_text(path)
    if frame.empty:
        raise DataError(f"{path} has a header of {frame.shape[1]} columns and no row. Give a table with rows.")
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # another run may write the same rows
    pq.write_table(as_arrow(frame), part)
    part.replace(path)


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    """Table in Arrow; a column of mixed types, or of one that Parquet cannot hold, becomes text."""
    arrays = {}
    for name in frame.columns:
        try:
            arrays[name] = pa.array(frame[name], from_pandas=True)
            if isinstance(getattr(arrays[name].type, "value_type", None), pa.BaseExtensionType):
                raise pa.ArrowTypeError("categories that are intervals, as pandas.cut makes them")
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            texts = frame[name].astype(object).map(str, na_action="ignore")
            arrays[name] = pa.array(texts, type=pa.string(), from_pandas=True)
    return pa.table(arrays)


def column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """One column, found by its name.

    Raises
    ------
    NameNotFound
        With the nearest name.
    DataError
        Where two columns bear it.
    """
    if name not in frame.columns:
        raise NameNotFound("column", name, frame.columns, where=where)
    found = frame[name]
    if isinstance(found, pd.DataFrame):
        places = [str(index + 1) for index, one in enumerate(frame.columns) if one == name]
        raise DataError(
            f"{where} has {len(places)} columns {name!r} (columns {' and '.join(places)}). Rename all but one."
        )
    return found


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
        nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
        if nested:
            raise DataError(
                f"{path}: a cell of {nested[0]} holds several values. Leave the column out, or take it apart."
            )
        frame = table.to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no whole Parquet file: {str(error).splitlines()[0]}") from error
    # An index with a name was a column once; one without is the row number.
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(level=named).reset_index(drop=True)


def _read_text(path: Path) -> pd.DataFrame:
    try:
        beginning, encoding = _beginning(path)
        separator = _separator(beginning)
        # skipinitialspace is off: a blank can be part of a value. index_col=False: a row with one field
        # too many is a fault, and no reason to take the first column for an index.
        with warnings.catch_warnings():
            # Where every row has more fields than the header, index_col=False drops the last ones with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                encoding=encoding,
                index_col=False,
                low_memory=False,
                on_bad_lines="error",
                # pandas' own default is quicker and off by one in the 17th digit: a row that is written and read
                # once more would change its side of the split.
                float_precision="round_trip",
            )
    except pd.errors.ParserWarning as error:
        raise DataError(f"{path}: its rows have more fields than its header has names. Name every column.") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} has no header. Its first line names the columns.") from error
    except pd.errors.ParserError as error:
        raise DataError(f"{path} cannot be read as a table: {_plain(error)}. Mend that line.") from error
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {_plain(error)}") from error
    if separator != ",":
        frame = _with_decimal_commas(frame)
    header = next(filter(None, csv.reader(io.StringIO(beginning, newline=None), delimiter=separator)), [])
    if len(set(header)) < len(header) == frame.shape[1]:
        # pandas has renamed the second to "name.1"; under its own name it is refused, and not silently lost.
        frame.columns = [name.strip() for name in header]
    return frame


def _beginning(path: Path) -> tuple[str, str]:
    """First part of a text file, and its encoding."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.namelist() if not one.endswith("/")]
            if len(members) != 1:
                raise DataError(f"{path} holds {len(members)} files; expected one. Unpack it and name the table.")
            with archive.open(members[0]) as file:
                content = file.read()
    else:
        opened = gzip.open if path.suffix.lower() == ".gz" else open
        with opened(path, "rb") as file:
            content = file.read()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        try:
            content.decode("utf-8")
            encoding = "utf-8-sig"
        except UnicodeDecodeError:
            encoding = "cp1252"
        if b"\0" in content:  # pandas would take what stands before it for the whole value
            line = content.count(b"\n", 0, content.index(b"\0")) + 1
            raise DataError(
                f"{path} is no plain text: line {line} has a NUL byte. Mend that line, or save the file anew."
            )
    beginning = content[:_SNIFFED_BYTES].decode(encoding, errors="replace")
    if not beginning.strip():
        raise DataError(f"{path} has no header. Its first line names the columns.")
    return beginning, encoding


def _separator(beginning: str) -> str:
    """The separator that cuts the first lines into the same number of fields, the more the better."""
    lines = beginning.splitlines()[:50]
    if len(beginning) >= _SNIFFED_BYTES and len(lines) > 1:
        lines = lines[:-1]

    def fitness(separator: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        same = sum(width == widths[0] for width in widths) / len(widths)
        return (same if widths[0] > 1 else 0.0), widths[0]

    return max(_SEPARATORS, key=fitness)


def _with_decimal_commas(frame: pd.DataFrame) -> pd.DataFrame:
    """Frame with its columns of ``3,75`` as numbers; where all could be thousands (``3,750``) they stay text."""
    numbers = {}
    for position in range(frame.shape[1]):
        values = frame.iloc[:, position]
        texts = values.dropna()
        if (
            pd.api.types.infer_dtype(texts) == "string"
            and texts.str.fullmatch(r"\s*[+-]?\d+(,\d+)?\s*").all()
            and not texts.str.fullmatch(r"\s*[+-]?(0|[1-9]\d{0,2}(,\d{3})?)\s*").all()
        ):
            numbers[frame.columns[position]] = values.str.replace(",", ".").astype(float)
    return frame.assign(**numbers)


def _plain(error: Exception) -> str:
    return str(error).replace("Error tokenizing data. C error: ", "").strip().rstrip(".")
