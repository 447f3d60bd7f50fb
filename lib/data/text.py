"""Text files as Arrow tables: read by pyarrow on all cores, and by Python's csv where a row is not as the header says.

pyarrow guesses types from what it sees. What it would read into a value is read again as text: the zeros before a code,
digits beyond a float's, and dates, whose form the training finds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lib import cores
from lib.data import guessing, mending, numerals, plain, totals
from lib.data.counts import Mark
from lib.data.dialect import UNREADABLE, Dialect
from lib.data.dictionaries import is_text
from lib.errors import DataError


def read(
    paths: Sequence[Path], without: Collection[str] = (), encoded: bool = False, encoding: str = ""
) -> tuple[pa.Table, list[str], list[str]]:
    """Rows of all files, one below the other; the names in their header; and what was read into them, as sentences.

    Parameters
    ----------
    paths : sequence of Path
    without : collection of str
        Columns that are not read.
    encoded : bool
        Whether texts that come again and again are read as dictionaries, in a fraction of the memory.
    encoding : str
        Of the files, by its name in Python; empty: found by looking.

    Raises
    ------
    DataError
        Naming the file and the line.
    """
    try:
        files, found = guessing.read_ahead(paths, without, encoded, encoding)
        _check_headers(files)
        first = files[0][1]
        places = guessing.places_of(first, without)
        guessed, repeated = _without_headers(guessing.guess(files, found, places, encoded), first.header)
        del found
        mending.check_quotes(files, guessed)
        table, notes = _typed(files, guessed)
        if table.num_rows and len(files) == 1:
            guessed, table, units = totals.without_units(guessed, table, first.lines_before + 2)
            notes += [units] * bool(units)
            table, total = totals.without_total(guessed, table, first.header, _last_line(first, guessed))
            notes += [total] * bool(total)
        del guessed
    except UNREADABLE as error:
        raise DataError(f"{_shown(paths)} cannot be read: {str(error).rstrip('.')}.") from error
    dialects = sorted({str(dialect) for _, dialect in files})
    table = table.rename_columns([first.header[int(place)] for place in places])
    doubts = dict.fromkeys(dialect.doubt for _, dialect in files if dialect.doubt)
    titles = max(dialect.titles for _, dialect in files)
    skipped = [f"{titles} {'line' if titles == 1 else 'lines'} above the header left out."] if titles else []
    return table, first.header, [" and ".join(dialects) + ".", *skipped, *repeated, *notes, *doubts]


def _without_headers(table: pa.Table, header: Sequence[str]) -> tuple[pa.Table, list[str]]:
    """Rows that do not say the header again, as where files were put one behind the other, and a note on those."""
    if not table.num_rows or not all(is_text(field.type) for field in table.schema):
        return table, []
    again = None
    for place in table.column_names:
        words = pc.utf8_trim(pc.cast(table[place], pa.string()), characters="\ufeff \t")
        same = pc.fill_null(pc.equal(words, header[int(place)]), False)
        again = same if again is None else pc.and_(again, same)
        if not pc.any(again).as_py():
            return table, []
    rows = pc.sum(again).as_py()
    said = f"{rows:,} {'row says' if rows == 1 else 'rows say'} the header again and {'was' if rows == 1 else 'were'}"
    return table.filter(pc.invert(again)), [f"{said} left out."]


def _last_line(dialect: Dialect, table: pa.Table) -> int:
    """Line of the last row, exact where no value holds a line break and no line is empty."""
    return dialect.lines_before + 1 + table.num_rows


def _check_headers(files: Sequence[tuple[Path, Dialect]]) -> None:
    path, first = files[0]
    for other, dialect in files[1:]:
        if dialect.header != first.header:
            differing = sorted({*dialect.header} ^ {*first.header}) or ["their order"]
            raise DataError(
                f"{other} has other columns than {path}: {', '.join(differing[:10])}. Give files of the same columns."
            )


def _typed(files: Sequence[tuple[Path, Dialect]], table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Table with codes and dates as text, amounts and decimal commas as numbers."""
    header, comma = files[0][1].header, files[0][1].separator != ","
    places = table.column_names
    misleading = cores.map_threads(lambda place: _may_mislead(table[place], files), places)
    suspects = [place for place, may_mislead in zip(places, misleading, strict=True) if may_mislead]
    if suspects:
        texts = guessing.as_texts(files, suspects)
        for place in suspects:
            if pa.types.is_temporal(table.schema.field(place).type) or numerals.has_codes(texts[place]):
                table = guessing.with_columns(table, texts.select([place]))
    notes, commas = [], False
    words = [field.name for field in table.schema if is_text(field.type)]
    found = cores.map_threads(lambda place: numerals.as_numbers(table[place], header[int(place)], comma), words)
    for place, (numbers, mark, note) in zip(words, found, strict=True):
        if numbers is not None:
            commas = commas or mark is Mark.DECIMAL_COMMA
            table = guessing.with_columns(table, pa.table({place: numbers}))
        if note:
            notes.append(note)
    for field in table.schema:
        if pa.types.is_null(field.type):
            table = guessing.with_columns(table, pa.table({field.name: pc.cast(table[field.name], pa.float64())}))
    if commas:
        notes.append("The decimal mark is the comma.")
        table = _with_thousands(files, table)
    return table, notes


def _with_thousands(files: Sequence[tuple[Path, Dialect]], table: pa.Table) -> pa.Table:
    """In a file of decimal commas, 1.024 is a thousand and 24.

    Where commas separate too, these are in quotes, and a file of both marks is no surprise: then 1.024 is what it says.
    """
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    texts = guessing.as_texts(files, floats)
    if files[0][1].separator == "," and any(numerals.count(texts[place]).are_decimal_points for place in floats):
        return table
    for place in floats:
        numbers = numerals.thousands(texts[place])
        if numbers is not None:
            table = guessing.with_columns(table, pa.table({place: numbers}))
    return table


def _may_mislead(column: pa.ChunkedArray, files: Sequence[tuple[Path, Dialect]]) -> bool:
    kind = column.type
    if pa.types.is_temporal(kind):
        return True
    if not plain.is_number(kind):
        return False
    if any(dialect.scan.may_have_codes for _, dialect in files):
        return True
    if pa.types.is_integer(kind) and not column.null_count:
        return False
    least, most = plain.ends(column)
    if max(-least, most) >= numerals.LARGEST_EXACT:
        return True
    # As +49301234567, which pyarrow takes for a decimal number.
    is_float = pa.types.is_floating(kind) and least >= numerals.SHORTEST_PHONE
    return is_float and bool(pc.all(pc.equal(column, pc.floor(column))).as_py())


def _shown(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more files"
