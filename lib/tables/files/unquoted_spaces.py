"""Values with spaces but without quotes, in files whose fields are separated by spaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lib.tables.detect.cell_shapes import describe_shape, has_digit

_MIN_ROWS = 3


def join_words(cells: Sequence[str], index: int, column_count: int) -> list[str] | None:
    """Join the surplus cells of a row to one value of a column.

    Parameters
    ----------
    cells : sequence of str
        At least `column_count`.
    index : int
        Column that gets the surplus cells.
    column_count : int
        Number of columns.

    Returns
    -------
    list of str or None
        None if a cell to be joined is empty or contains a space: it was in quotes, and is a value of its own.

    Examples
    --------
    >>> join_words(["1", "New", "York", "8.4"], 1, 3)
    ['1', 'New York', '8.4']
    """
    end = index + len(cells) - column_count + 1
    words = cells[index:end]
    if len(words) > 1 and any(not word or " " in word for word in words):
        return None
    return [*cells[:index], " ".join(words), *cells[end:]]


def find_column_with_spaces(rows: Sequence[Sequence[str]], column_count: int) -> int | None:
    """Return the only column whose values may contain unquoted spaces, so that the other values fit their columns.

    Parameters
    ----------
    rows : sequence of sequence of str
        First rows of a file whose separator is a space.
    column_count : int
        Number of columns.

    Returns
    -------
    int or None
        None if no row has surplus cells, or several columns are possible.

    Examples
    --------
    >>> rows = [["1", "New", "York", "8.4"], ["2", "Rome", "2.8"], ["3", "Rio", "de", "Janeiro", "6.7"]]
    >>> find_column_with_spaces(rows, 3)
    1
    """
    rows = [row for row in rows if len(row) >= column_count]
    if len(rows) < _MIN_ROWS or all(len(row) == column_count for row in rows):
        return None
    scores: dict[int, float] = {}
    for index in range(column_count):
        joined = [join_words(row, index, column_count) for row in rows]
        complete = [row for row in joined if row is not None]
        if len(complete) == len(joined):
            scores[index] = sum(_uniform_share(column) for column in zip(*complete, strict=True))
    best = max(scores, key=lambda index: scores[index], default=None)
    if best is None or list(scores.values()).count(scores[best]) > 1:
        return None
    return best


def _uniform_share(column: Sequence[str]) -> float:
    """Return the share of cells with the most frequent shape if that is a number, a date or a code; else 0."""
    (shape, count), *_ = Counter(map(describe_shape, column)).most_common(1)
    is_value = shape == "number" or (has_digit(shape) and " " not in shape)
    return count / len(column) if is_value else 0.0
