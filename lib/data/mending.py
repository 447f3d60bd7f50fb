"""A text file whose rows are not all as its header says, written anew by Python's csv, or refused by its lines."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lib.data.dialect import Dialect, opened
from lib.data.dictionaries import is_text
from lib.errors import DataError

_SHOWN = 3
# More of one thing a regular expression of RE2 does not count.
_MOST_REPEATED = 1_000


@contextmanager
def mended(path: Path, dialect: Dialect) -> Iterator[tuple[io.BufferedRandom, int]]:
    """The file anew, each row as wide as the header, and its number of rows.

    A row too short lacks its last values. One too long is refused, unless all it has too much is empty.
    """
    width, rows, long, broken = len(dialect.header), 0, [], (0, 0)
    encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
    with opened(path) as raw, tempfile.TemporaryFile() as file:
        out = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(out)
        writer.writerow(dialect.header)
        text = io.TextIOWrapper(raw, encoding=encoding, newline="")
        for _ in range(dialect.lines_before):
            next(text)
        lines = csv.reader(_with_nulls(text, dialect), **dialect.for_csv)
        next(filter(None, lines))
        line = dialect.lines_before + lines.line_num
        for row in filter(None, lines):
            start, line = line + 1, dialect.lines_before + lines.line_num
            rows += 1
            if any(row[width:]):
                long.append((start, len(row)))
            if line > start:
                broken = (start, line)
            if dialect.is_padded:
                row = list(map(str.strip, row))
            writer.writerow([*row[:width], *[""] * (width - len(row))])
        if long:
            raise DataError(_too_long(path, long, rows, width))
        if not dialect.scan.is_balanced and broken[1] == line:
            raise DataError(f"{path}: a quote in line {broken[0]} is never closed. Mend that line.")
        out.flush()
        file.seek(0)
        yield file, rows


def check_lengths(path: Path, dialect: Dialect) -> None:
    """Refuse a file with rows that are longer than its header.

    Raises
    ------
    DataError
        Naming their lines.
    """
    with mended(path, dialect):
        pass


def anew(dialect: Dialect) -> Dialect:
    """Dialect of what `mended` writes."""
    return Dialect("utf-8", ",", dialect.header, 0, 0, replace(dialect.scan, has_breaks=True))


def _with_nulls(lines: Iterable[str], dialect: Dialect) -> Iterable[str]:
    r"""Lines with nothing where MySQL writes ``\N`` for a missing value, of which its escape would leave an N."""
    if not dialect.escape:
        return lines
    separator = re.escape(dialect.separator)
    null = re.compile(rf"(^|{separator})\\N(?=[{separator}\r\n]|$)")
    return (null.sub(r"\1", line) for line in lines)


def check_quotes(files: Sequence[tuple[Path, Dialect]], table: pa.Table) -> None:
    """Refuse files in which a quote that is never closed has made whole rows a part of a value.

    Parameters
    ----------
    files : sequence of (Path, Dialect)
    table : pyarrow.Table
        Their rows.

    Raises
    ------
    DataError
        Naming the line.
    """
    for path, dialect in files:
        if dialect.scan.has_breaks and not dialect.is_for_python and _holds_rows(table, dialect):
            encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
            with opened(path) as raw:
                lines = csv.reader(io.TextIOWrapper(raw, encoding=encoding, newline=""), **dialect.for_csv, strict=True)
                line = 0
                try:
                    for _ in lines:
                        line = lines.line_num
                except csv.Error as error:
                    raise DataError(
                        f"{path}: a quote in line {line + 1} is not closed before line {lines.line_num}, and there in "
                        "the midst of a value. Mend these lines."
                    ) from error


def _holds_rows(table: pa.Table, dialect: Dialect) -> bool:
    """Whether a value has a line in it that has as many fields as the header."""
    more = min(len(dialect.header) - 1, _MOST_REPEATED)
    other = rf"[^{re.escape(dialect.separator)}\n]*"
    row = rf"\n({other}{re.escape(dialect.separator)}){{{more}}}{other}(\n|$)"
    return more > 0 and any(
        pc.any(pc.match_substring_regex(pc.cast(table[field.name], pa.string()), row)).as_py()
        for field in table.schema
        if is_text(field.type)
    )


def _too_long(path: Path, long: Sequence[tuple[int, int]], rows: int, width: int) -> str:
    if len(long) == rows:
        return (
            f"{path}: its rows have more fields ({long[0][1]}) than its header has names ({width}). "
            "Name every column, and put quotes around values that hold what separates them."
        )
    named = "; ".join(f"line {line} has {found}" for line, found in long[:_SHOWN])
    more = f" and {len(long) - _SHOWN} more rows" if len(long) > _SHOWN else ""
    return f"{path}: expected {width} fields, but {named}{more}. Mend these lines."
