"""Cells of a table as the values that a JSON request would contain."""

from __future__ import annotations

import datetime
import decimal
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.schema.durations import parse_seconds
from lib.schema.text_values import compose_text, decode_bytes

if TYPE_CHECKING:
    import pandas as pd

    from lib.scoring.columns import Column

_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_SHORT_YEAR = re.compile(r"\d{1,3}-\d\d-\d\d")
# Integers from here on are not exact as floats.
_MAX_EXACT = 2**53


def json_value(cell: Any) -> Any:
    """Return a cell as a value that JSON has: dates in ISO 8601, durations in seconds, times of day and bytes as text.

    Examples
    --------
    >>> json_value(datetime.date(9999, 12, 31)), json_value(datetime.timedelta(minutes=2)), json_value(datetime.time(7))
    ('9999-12-31', 120.0, '07:00:00')
    """
    if isinstance(cell, datetime.datetime):  # a pandas Timestamp, too
        return _iso_datetime(cell)
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    if isinstance(cell, datetime.time):
        return str(cell)
    if isinstance(cell, datetime.timedelta):  # a pandas Timedelta, too
        return cell.total_seconds()
    if isinstance(cell, decimal.Decimal):
        return float(cell)
    if isinstance(cell, bytes):
        return decode_bytes(cell)
    return cell.item() if isinstance(cell, np.generic) else cell


def request_values(column: Column, cells: pd.Series) -> list:
    """Return a column of a table as the values that a request would contain.

    Types are converted where that loses nothing: a table may hold the texts ``TRUE`` or ``1`` where the training table
    had booleans, or whole numbers where it had text. Other values stay as they are, for the column to refuse.

    Parameters
    ----------
    column : Column
        The model's column.
    cells : Series of shape (rows,)
        Cells of any type.

    Returns
    -------
    list of shape (rows,)
        None for missing values.
    """
    import pandas as pd

    values = [None if pd.isna(cell) is True else json_value(cell) for cell in cells.tolist()]
    convert = _CONVERSIONS.get(column.kind.name)
    return values if convert is None else [None if value is None else convert(value) for value in values]


def _iso_datetime(moment: datetime.datetime) -> str:
    offset = moment.utcoffset()
    if offset is not None and offset % datetime.timedelta(minutes=1):  # local mean time, as before 1900
        moment = moment.astimezone(datetime.UTC)
    return moment.isoformat()


def _to_boolean(value: Any) -> Any:
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip().lower(), value)
    return bool(value) if type(value) in (int, float) and value in (0, 1) else value


def _to_text(value: Any) -> Any:
    """Return text in Unicode's composed form, and whole numbers as text."""
    if isinstance(value, str):
        return compose_text(value)
    if type(value) is float and value.is_integer() and abs(value) < _MAX_EXACT:
        value = int(value)
    return str(value) if type(value) is int else value


def _to_datetime(value: Any) -> Any:
    """Return text without surrounding spaces, and with four digits of the year: pandas writes year 1 as 1-01-01."""
    if not isinstance(value, str):
        return value
    value = value.strip()
    return value.zfill(len(value) + 4 - value.index("-")) if _SHORT_YEAR.match(value) else value


def _to_seconds(value: Any) -> Any:
    """Return the seconds of a duration that is text, such as ``0 days 00:41:25``."""
    if not isinstance(value, str) or math.isnan(seconds := parse_seconds(value)):
        return value
    return seconds


def _to_number_text(value: Any) -> Any:
    """Return a number as text."""
    return repr(value) if type(value) in (int, float) else value


_CONVERSIONS = {
    "boolean": _to_boolean,
    "text": _to_text,
    "text date": _to_text,
    "ordered": _to_text,
    "text duration": _to_number_text,
    "text number": _to_number_text,
    "seconds": _to_seconds,
    "datetime": _to_datetime,
}
