"""Text files as Arrow tables: read by pyarrow on all cores, and by Python's csv where a row is not as the header says.

pyarrow guesses types from what it sees. What it would read into a value is read again as text: the zeros before a code,
digits beyond a float's, and dates, whose form the training finds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from lib import cores
from lib.data import mending, numerals, ranges, totals
from lib.data.dialect import UNREADABLE, Dialect, foresee, look, opened
from lib.data.dictionaries import ENCODED, comes_again, is_text
from lib.data.numerals import Mark
from lib.errors import DataError

_FORESEEN_BYTES = 2**20
_BLOCK_BYTES, _BATCHES_PER_RELEASE = 2**21, 16


def read(
    paths: Sequence[Path], without: Collection[str] = (), encoded: bool = False
) -> tuple[pa.Table, list[str], list[str]]:
    """Rows of all files, one below the other; the names in their header; and what was read into them, as sentences.

    Parameters
    ----------
    paths : sequence of Path
    without : collection of str
        Columns that are not read.
    encoded : bool
        Whether texts that come again and again are read as dictionaries, in a fraction of the memory.

    Raises
    ------
    DataError
        Naming the file and the line.
    """
    try:
        files, found = _looked_at(paths, without, encoded)
        _check_headers(files)
        first = files[0][1]
        places = _places(first, without)
        guessed, repeated = _without_headers(_guessed(files, found, places, encoded), first.header)
        del found
        table, notes = _typed(files, guessed)
        if table.num_rows and len(files) == 1:
            table, total = totals.without_total(guessed, table, first.header, _last_line(first, guessed))
            notes += [total] * bool(total)
        del guessed
    except UNREADABLE as error:
        raise DataError(f"{_shown(paths)} cannot be read: {str(error).rstrip('.')}.") from error
    dialects = sorted({str(dialect) for _, dialect in files})
    table = table.rename_columns([first.header[int(place)] for place in places])
    titles = max(dialect.titles for _, dialect in files)
    skipped = [f"{titles} {'line' if titles == 1 else 'lines'} above the header left out."] if titles else []
    return table, first.header, [" and ".join(dialects) + ".", *skipped, *repeated, *notes]


def _looked_at(
    paths: Sequence[Path], without: Collection[str], encoded: bool
) -> tuple[list[tuple[Path, Dialect]], dict[Path, pa.Table]]:
    """Dialect of each file, and the rows of those that could be read while it was found out."""
    begun = foresee(paths[0])
    places, types = [], {}
    if begun and ranges.may_be_cut(paths[0], begun):
        places = _places(begun, without)
        types = _foreseen(paths[0], begun, places, encoded)
    files, found = [], {}
    for path in paths:
        if not types or len(types) < len(places):
            files.append((path, look(path)))
            continue
        is_plain = threading.Event()
        is_plain.set()
        with ThreadPoolExecutor(1) as reader:
            rows = reader.submit(ranges.read, path, begun, places, types, is_plain.is_set)
            try:
                dialect = look(path, is_plain.clear)
            except BaseException:
                is_plain.clear()
                raise
            is_as_begun = replace(dialect, scan=begun.scan) == begun and ranges.may_be_cut(path, dialect)
            if not is_as_begun:
                is_plain.clear()
            with contextlib.suppress(pa.ArrowInvalid):  # then others of its rows have other types, or are not as wide
                table = rows.result()
                if is_as_begun:
                    found[path] = table
        files.append((path, dialect))
    return files, found


def _places(dialect: Dialect, without: Collection[str]) -> list[str]:
    return [str(place) for place, name in enumerate(dialect.header) if name not in without]


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


def _guessed(
    files: Sequence[tuple[Path, Dialect]], found: Mapping[Path, pa.Table], places: Sequence[str], encoded: bool
) -> pa.Table:
    """All rows, each column in the type that pyarrow finds in every file, or as text."""
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
        texts = [_table(*file, differing, _as_text(differing)) for file in files]
        tables = [_replaced(*pair) for pair in zip(tables, texts, strict=True)]
    return pa.concat_tables(tables, promote_options="permissive")


def _typed(files: Sequence[tuple[Path, Dialect]], table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Table with codes and dates as text, amounts and decimal commas as numbers."""
    header, comma = files[0][1].header, files[0][1].separator != ","
    places = table.column_names
    misleading = cores.each(lambda place: _may_mislead(table[place], files), places)
    suspects = [place for place, may_mislead in zip(places, misleading, strict=True) if may_mislead]
    if suspects:
        texts = _texts(files, suspects)
        for place in suspects:
            if pa.types.is_temporal(table.schema.field(place).type) or numerals.has_codes(texts[place]):
                table = _replaced(table, texts.select([place]))
    notes, commas = [], False
    words = [field.name for field in table.schema if is_text(field.type)]
    found = cores.each(lambda place: numerals.as_numbers(table[place], header[int(place)], comma), words)
    for place, (numbers, mark, note) in zip(words, found, strict=True):
        if numbers is not None:
            commas = commas or mark is Mark.DECIMAL_COMMA
            table = _replaced(table, pa.table({place: numbers}))
        if note:
            notes.append(note)
    for field in table.schema:
        if pa.types.is_null(field.type):
            table = _replaced(table, pa.table({field.name: pc.cast(table[field.name], pa.float64())}))
    if commas:
        notes.append("The decimal mark is the comma.")
        table = _with_thousands(files, table)
    return table, notes


def _with_thousands(files: Sequence[tuple[Path, Dialect]], table: pa.Table) -> pa.Table:
    """In a file of decimal commas, 1.024 is a thousand and 24."""
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    texts = _texts(files, floats)
    for place in floats:
        numbers = numerals.thousands(texts[place])
        if numbers is not None:
            table = _replaced(table, pa.table({place: numbers}))
    return table


def _may_mislead(column: pa.ChunkedArray, files: Sequence[tuple[Path, Dialect]]) -> bool:
    kind = column.type
    if pa.types.is_temporal(kind):
        return True
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return False
    if any(dialect.scan.may_have_codes for _, dialect in files):
        return True
    if pa.types.is_integer(kind) and not column.null_count:
        return False
    ends = pc.min_max(column)
    return any(abs(end.as_py() or 0) >= numerals.LARGEST_EXACT for end in (ends["min"], ends["max"]))


def _foreseen(path: Path, dialect: Dialect, places: Sequence[str], encoded: bool) -> dict[str, pa.DataType]:
    """Types to ask for, by some of the rows: dates and times as text, which are then not read twice.

    Of every column where the file can be cut into ranges, else of those that are not to be guessed.
    """
    is_cut = ranges.may_be_cut(path, dialect)
    try:
        some = list(ranges.samples(path, dialect, places)) if is_cut else [_first_rows(path, dialect, places)]
    except (pa.ArrowInvalid, *UNREADABLE):  # whoever reads all of it says where and why
        return {}
    types = {}
    for place in places if some else ():
        kind = _common([table.schema.field(place).type for table in some])
        if is_text(kind) or pa.types.is_temporal(kind):
            texts = pa.chunked_array([pc.cast(chunk, pa.string()) for table in some for chunk in table[place].chunks])
            types[place] = ENCODED if encoded and comes_again(texts) else pa.string()
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
    if dialect.encoding != "utf-16" and len(start) == _FORESEEN_BYTES:
        start = start[: start.rfind(b"\n") + 1]
    return arrow_csv.read_csv(pa.BufferReader(start), **_options(dialect, places, {}))


def _as_text(places: Sequence[str]) -> dict[str, pa.DataType]:
    return dict.fromkeys(places, pa.string())


def _texts(files: Sequence[tuple[Path, Dialect]], places: Sequence[str]) -> pa.Table:
    return pa.concat_tables([_table(path, dialect, places, _as_text(places)) for path, dialect in files])


def _replaced(table: pa.Table, columns: pa.Table) -> pa.Table:
    for place in columns.column_names:
        table = table.set_column(table.column_names.index(place), place, columns[place])
    return table


def _table(path: Path, dialect: Dialect, places: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
    options = _options(dialect, places, types)
    if dialect.scan.is_balanced:
        # Where a row is too long or too short, this fails, and the next way is taken.
        if ranges.may_be_cut(path, dialect) and set(types) == set(places):
            with contextlib.suppress(pa.ArrowInvalid):
                return ranges.read(path, dialect, places, types)
        for reader in (_streamed, arrow_csv.read_csv):
            with contextlib.suppress(pa.ArrowInvalid):
                if path.suffix.lower() != ".zip":
                    return reader(str(path), **options)
                with opened(path) as file:
                    return reader(file, **options)
    with mending.mended(path, dialect) as (file, rows):
        if rows == 0:
            return pa.table({place: pa.array([], types.get(place, pa.null())) for place in places})
        quoted = replace(dialect.scan, has_breaks=True)
        mended = replace(dialect, encoding="utf-8", separator=",", lines_before=0, scan=quoted)
        return arrow_csv.read_csv(file, **_options(mended, places, types))


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
            include_columns=list(places),
            column_types=dict(types),
        ),
    }


def _shown(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more files"
