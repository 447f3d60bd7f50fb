"""Recognition of columns that no model should learn from: IDs, constants and columns without values."""

from __future__ import annotations

import re

import pandas as pd

from lib.schema import datetimes
from lib.schema.date_columns import find_mixed_formats
from lib.tables.quality.profile import TEXT, WHOLE, ColumnProfile

# Names of columns that may number or identify rows.
_ID_NAME = re.compile(r"(?i)(^|[ _.-])(id|ids|key|uuid|guid|no|nr|number|index|rownames|rowid|pid)$|[a-z](Id|ID)$")
# Names of columns that may identify groups of rows, such as the rows of each customer.
_ENTITY_NAME = re.compile(r"(?i)(^|[ _.-])(id|ids|key|uuid|guid|pid)$|[a-z](Id|ID)$")
# A text column is an ID if nearly all its texts are distinct, and they have few words.
_MIN_ID_DISTINCT_SHARE = 0.95
_MAX_ID_WORDS = 2.5
_MIN_GROUPS = 20
_MIN_GROUP_SHARE = 0.01


def find_reason_to_drop(column: ColumnProfile, values: pd.Series) -> str:
    """Return why no model should learn from a column; an empty text if there is no reason.

    Parameters
    ----------
    column : ColumnProfile
    values : Series of shape (rows,)
        The column's values.

    Examples
    --------
    >>> from lib.tables.quality.profile import describe_column
    >>> values = pd.Series(range(100, 120), name="customer_id")
    >>> find_reason_to_drop(describe_column(values), values)
    'ID: a different number in every row'
    """
    if column.present == 0:
        return "all values are missing"
    if column.distinct == 1 and column.missing == 0:
        return "the same value in every row"
    if column.kind == WHOLE and column.is_unique and (_ID_NAME.search(column.name) or _counts_all_rows(column)):
        return "ID: a different number in every row"
    is_id_text = column.distinct >= _MIN_ID_DISTINCT_SHARE * column.present and column.mean_words < _MAX_ID_WORDS
    if column.kind == TEXT and is_id_text:
        formats = ", ".join(map(datetimes.describe_format, find_mixed_formats(values)))
        if formats:
            return f"dates in several formats ({formats}): use one"
        return "ID: a different text in nearly every row"
    return ""


def _counts_all_rows(column: ColumnProfile) -> bool:
    """Return whether the distinct whole numbers of a column count the rows without a gap."""
    assert column.minimum is not None and column.maximum is not None, "a whole number has a range"
    return column.maximum - column.minimum == column.rows - 1


def is_group_id(column: ColumnProfile) -> bool:
    """Return whether a column looks like an ID with several rows for each value, such as a customer's.

    Examples
    --------
    >>> from lib.tables.quality.profile import describe_column
    >>> is_group_id(describe_column(pd.Series([*range(50)] * 2, name="customer_id")))
    True
    """
    return bool(
        _ENTITY_NAME.search(column.name)
        and column.kind in (WHOLE, TEXT)
        and column.missing == 0
        and has_enough_groups(column)
    )


def has_enough_groups(column: ColumnProfile) -> bool:
    """Return whether a column has enough distinct values to split a table by them, and some of them are repeated.

    Enough are at least 20 distinct values, and at least one for every hundred rows.
    """
    return max(_MIN_GROUPS, _MIN_GROUP_SHARE * column.rows) <= column.distinct < column.rows
