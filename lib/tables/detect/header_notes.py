"""Notes on a header that is missing, or does not have one name for each field of the rows."""

from __future__ import annotations

from collections.abc import Sequence

_MAX_LISTED_CELLS, _MAX_CELL_LENGTH = 3, 20


def describe_missing_header(first_row: Sequence[str], has_header: bool | None) -> str:
    """Return a note on columns that are named by number because no header was detected.

    Parameters
    ----------
    first_row : sequence of str
    has_header : bool or None
        What the user said; if False, there is nothing to tell.
    """
    if has_header is False:
        return ""
    cells = ", ".join(repr(cell[:_MAX_CELL_LENGTH]) for cell in first_row[:_MAX_LISTED_CELLS])
    more = ", ..." if len(first_row) > _MAX_LISTED_CELLS else ""
    return (
        f"The first row ({cells}{more}) looks like the rows below it, not like a header: the columns are named "
        "column_1, column_2 and so on. Set `header` to false to confirm this, or to true if these are the names."
    )


def describe_widths(line: int, fields: int, names: int, rows: Sequence[Sequence[str]]) -> str:
    """Return a note on a header that has more or fewer names than every row has fields, else an empty string.

    Parameters
    ----------
    line : int
        Line of the header.
    fields : int
        Number of its fields as written.
    names : int
        Number of columns: fewer than its fields if empty ones were left out, more if rows start with a row name.
    rows : sequence of sequence of str
        The first rows below the header.

    Examples
    --------
    >>> describe_widths(1, 2, 2, [["1", "2", ""], ["3", "4", ""]])[:59]
    'Line 1, the header, has 2 fields, but every row below has 3'
    """
    if names < fields:
        return (
            f"Line {line:,}, the header, has {fields} fields, the rows {names}: empty ones in the header were left out."
        )
    widths = {len(row) for row in rows}
    if names > fields or len(widths) != 1 or (width := widths.pop()) <= fields:
        return ""
    return (
        f"Line {line:,}, the header, has {fields} fields, but every row below has {width}: the names are those of the "
        f"first {fields} fields. If a separator is missing within the header, add it."
    )
