"""Notes on a header that is missing, or does not have one name for each field of the rows."""

from __future__ import annotations

from collections.abc import Sequence

from lib.errors import format_count

_MAX_LISTED_CELLS, _MAX_CELL_LENGTH = 3, 20


def describe_missing_header(first_row: Sequence[str], has_header: bool | None) -> str:
    """Return a note on columns that are named by number because no header was detected.

    Parameters
    ----------
    first_row : sequence of str
    has_header : bool or None
        The parameter `header`; if False, the user knows, and the note is empty.
    """
    if has_header is False:
        return ""
    cells = ", ".join(repr(cell[:_MAX_CELL_LENGTH]) for cell in first_row[:_MAX_LISTED_CELLS])
    more = ", ..." if len(first_row) > _MAX_LISTED_CELLS else ""
    return (
        f"The first row ({cells}{more}) looks like the rows below it, not like a header: the columns are named "
        "column_1, column_2 and so on. Set `header` to false to confirm this, or to true if these are the names."
    )


def describe_field_counts(line: int, header_fields: int, column_count: int, rows: Sequence[Sequence[str]]) -> str:
    """Return a note on a header that does not have one name for each field of the rows, else an empty string.

    Parameters
    ----------
    line : int
        Line of the header.
    header_fields : int
        Number of fields of the header as written.
    column_count : int
        Number of columns. Less than `header_fields` if empty fields of the header were left out, more if rows start
        with a row name.
    rows : sequence of sequence of str
        The first rows below the header.

    Examples
    --------
    >>> describe_field_counts(1, 2, 2, [["1", "2", ""], ["3", "4", ""]])[:59]
    'Line 1, the header, has 2 fields, but every row below has 3'
    """
    counted = f"Line {line:,}, the header, has {format_count(header_fields, 'field')}"
    if column_count < header_fields:
        return f"{counted}, but the rows have {column_count}: empty fields of the header were left out."
    row_fields = {len(row) for row in rows}
    if column_count > header_fields or len(row_fields) != 1 or max(row_fields) <= header_fields:
        return ""
    return (
        f"{counted}, but every row below has {max(row_fields)}: the names apply to the first of these fields. If a "
        "separator is missing within the header, add it."
    )
