"""Conversion of a table's cells to the values that a JSON request would contain."""

from __future__ import annotations

import datetime
import decimal
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.schema.durations import parse_seconds
from lib.schema.missing_codes import MISSING_CODES
from lib.schema.text_values import compose_text, decode_bytes

if TYPE_CHECKING:
    import pandas as pd

    from lib.scoring.columns import Column

_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_SHORT_YEAR = re.compile(r"\d{1,3}-\d\d-\d\d")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,4})?")
# Floats represent all integers below this one exactly.
_MAX_EXACT_INTEGER = 2**53


def json_value(cell: Any) -> Any:
    """Convert a cell to a JSON value: dates to ISO 8601, durations to seconds, times of day and bytes to text.

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
    """Convert a column of a table to the values that a request would contain.

    A value of another type than in training is converted if nothing is lost: the texts ``TRUE`` and ``1`` to booleans,
    whole numbers to text. Any other value stays unchanged, and `Column.invalid_values` reports it.

    Parameters
    ----------
    column : Column
        The model's input column.
    cells : Series of shape (rows,)
        Cells of any type.

    Returns
    -------
    list of shape (rows,)
        None stands for a missing value.
    """
    import pandas as pd

    values = [None if pd.isna(cell) is True else json_value(cell) for cell in cells.tolist()]
    convert = _CONVERSIONS.get(column.kind.name)
    return values if convert is None else [None if value is None else convert(value) for value in values]


def csv_value(column: Column, text: str) -> Any:
    """Return the value that a request would contain for a cell of a CSV text.

    Parameters
    ----------
    column : Column
        The model's input column.
    text : str
        The cell. In a column of text, an empty cell is missing if the column may have missing values.

    Returns
    -------
    object
        The text itself if the column does not accept it; `Column.invalid_values` then reports it.
    """
    json_type = column.kind.json_schema["type"]
    if json_type == "string" and column.kind.name != "datetime":
        return None if text == "" and column.nullable else compose_text(text)
    stripped = text.strip()
    if stripped.lower() in MISSING_CODES:
        return None
    if json_type in ("number", "integer") and _PLAIN_NUMBER.fullmatch(stripped):
        number = float(stripped)
        if json_type == "number":
            return number if math.isfinite(number) else text
        return int(stripped) if stripped.lstrip("+-").isdigit() else number
    convert = _CONVERSIONS.get(column.kind.name)
    return text if convert is None else convert(stripped)


def _iso_datetime(time: datetime.datetime) -> str:
    offset = time.utcoffset()
    # Before 1900, local mean time had offsets with seconds, which ISO 8601 cannot express.
    if offset is not None and offset % datetime.timedelta(minutes=1):
        time = time.astimezone(datetime.UTC)
    return time.isoformat()


def _to_boolean(value: Any) -> Any:
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip().lower(), value)
    return bool(value) if type(value) in (int, float) and value in (0, 1) else value


def _to_text(value: Any) -> Any:
    """Convert text to Unicode's composed form, and whole numbers to text; return other values unchanged."""
    if isinstance(value, str):
        return compose_text(value)
    if type(value) is float and value.is_integer() and abs(value) < _MAX_EXACT_INTEGER:
        value = int(value)
    return str(value) if type(value) is int else value


def _to_datetime(value: Any) -> Any:
    """Strip spaces from text, and pad the year to four digits, since pandas writes the year 1 as 1-01-01."""
    if not isinstance(value, str):
        return value
    value = value.strip()
    return value.zfill(len(value) + 4 - value.index("-")) if _SHORT_YEAR.match(value) else value


def _to_seconds(value: Any) -> Any:
    """Convert a duration in text, such as ``0 days 00:41:25``, to seconds; return other values unchanged."""
    if not isinstance(value, str) or math.isnan(seconds := parse_seconds(value)):
        return value
    return seconds


def _to_number_text(value: Any) -> Any:
    """Convert a number to text; return other values unchanged."""
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
