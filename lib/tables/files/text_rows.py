"""Reading of a text file as a table of strings, before numbers and missing values are parsed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lib.errors import DataError
from lib.tables.detect.cell_shapes import has_inner_quote
from lib.tables.detect.dialect import Dialect, open_table
from lib.tables.detect.dialect_detection import detect_dialect
from lib.tables.detect.raw_files import READ_ERRORS
from lib.tables.files import row_faults
from lib.tables.files.aligned_rows import Row, read_aligned_rows
from lib.tables.files.quote_checks import describe_inner_quote
from lib.tables.files.row_repair import RowFault

_SAMPLE_ROWS = 1_000
_MIN_UNIFORM_SHARE = 0.9


class RawTable(NamedTuple):
    """A table of text.

    Attributes
    ----------
    header : list of str
        Column names, or empty if the file has none.
    rows : list of list of str
        All with as many cells as the header, which is padded if a row has more values than the header has names.
    faults : list of RowFault
        Rows that do not have one field for each column in the file.
    notes : list of str
        Sentences about the dialect and about faults.
    """

    header: list[str]
    rows: list[list[str]]
    faults: list[RowFault]
    notes: list[str]


def read_table(path: Path, encoding: str = "", header: bool | None = None) -> RawTable:
    r"""Read a text file without converting values, and collect faulty rows instead of raising an error at the first.

    Training and scoring use `frames.read`, which raises an error for faults that make a row's values ambiguous.

    Parameters
    ----------
    path : Path
    encoding : str
        Python name of the encoding; detected if empty.
    header : bool, optional
        Whether the file has a header; detected if None.

    Raises
    ------
    DataError
        If the file is not text.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "ages.csv"
    ...     _ = file.write_text("name;age\nAnn;31\nBob\n")
    ...     table = read_table(file)
    >>> table.header, table.rows, table.faults[0].line
    (['name', 'age'], [['Ann', '31'], ['Bob', '']], 3)
    """
    if path.stat().st_size == 0:
        return RawTable([], [], [], ["The file is empty."])
    try:
        dialect = detect_dialect(path, encoding, header)
        with open_table(path, dialect) as raw:
            column_count = _usual_column_count(
                islice(read_aligned_rows(raw, dialect, len(dialect.header)), _SAMPLE_ROWS), dialect
            )
        with open_table(path, dialect) as raw:
            rows, second_table_faults = _first_table(read_aligned_rows(raw, dialect, column_count))
    except READ_ERRORS as error:
        raise DataError(f"{path} cannot be read: {str(error).rstrip('.')}.") from error
    names = dialect.header_as_written
    repeated = [row.line for row in rows if _is_repeated_header(row, names)]
    rows = [row for row in rows if not _is_repeated_header(row, names)]
    faults = [row.fault for row in rows if row.fault]
    notes = [
        f"{dialect}.",
        *dialect.notes,
        *(f"Line {line:,} repeats the header and was left out." for line in repeated),
        *row_faults.describe([*faults, *second_table_faults], column_count),
        *_describe_inner_quotes(rows),
    ]
    max_cell_count = max([len(names), *(len(row.cells) for row in rows)])
    names = names + [""] * (max_cell_count - len(names)) if names else []
    cells = [row.cells + [""] * (max_cell_count - len(row.cells)) for row in rows]
    return RawTable(names, cells, faults, notes)


def _usual_column_count(rows: Iterable[Row], dialect: Dialect) -> int:
    """Return the number of fields of the rows if nearly all rows agree on it, else the number of the header's names."""
    counts = [
        row.fault.fields if row.fault and row.fault.kind != "spaces" else len(row.cells)
        for row in rows
        if not (row.fault and row.fault.kind == "table")
    ]
    usual_count = statistics.mode(counts) if counts else len(dialect.header)
    return usual_count if counts.count(usual_count) >= _MIN_UNIFORM_SHARE * len(counts) else len(dialect.header)


def _first_table(rows: Iterable[Row]) -> tuple[list[Row], list[RowFault]]:
    """Return the rows above a second table, and a fault with the line where it begins, if there is one."""
    rows_above = list[Row]()
    for row in rows:
        if row.fault and row.fault.kind == "table" and not row.fault.is_fixed:
            return rows_above, [row.fault]
        rows_above.append(row)
    return rows_above, []


def _is_repeated_header(row: Row, header: list[str]) -> bool:
    """Return whether a row consists of the header's names."""
    return len(header) > 0 and row.cells[: len(header)] == header and not any(row.cells[len(header) :])


def _describe_inner_quotes(rows: Iterable[Row]) -> list[str]:
    """Return a note on the first value with a quote between two words, where a separator may be missing."""
    for row in rows:
        for cell in filter(has_inner_quote, row.cells):
            return [describe_inner_quote(f"Line {row.line:,} contains a quote between two words", cell)]
    return []
