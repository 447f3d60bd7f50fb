"""Detection of the formats of a model's columns in the training table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from lib.schema.datetimes import parse_column
from lib.schema.time_zones import zone_name
from lib.scoring.column_format import DURATION, ColumnFormat

if TYPE_CHECKING:
    import pandas as pd

_MAX_MISSING_CODES = 20


def detect(model: Any, features: pd.DataFrame, durations: Collection[str] = ()) -> dict[str, ColumnFormat]:
    """Return the format of each column.

    Parameters
    ----------
    model : estimator
        The fitted model. Its encoder knows in which format it reads dates that are text.
    features : DataFrame of shape (rows, columns)
        All rows, as the model was trained on them.
    durations : collection of str
        Columns that contained durations, which are seconds in `features`.
    """
    date_formats = _find_date_formats(model)
    return {
        name: _detect_format(values, date_formats.get(name, ""), name in durations) for name, values in features.items()
    }


def _detect_format(values: pd.Series, date_format: str, is_duration: bool) -> ColumnFormat:
    if is_duration:
        return ColumnFormat(converted_from=DURATION)
    if values.dtype.kind == "M":
        zone, unit = values.dt.tz, values.dt.unit
        return ColumnFormat(time_zone="" if zone is None else zone_name(zone), unit="" if unit == "ns" else unit)
    if not date_format or values.dtype.kind in "iufb":
        return ColumnFormat()
    return ColumnFormat(date_format=date_format, missing_codes=_missing_codes(values, date_format))


def _missing_codes(values: pd.Series, date_format: str) -> tuple[str, ...]:
    """Return the most frequent texts of a column of dates that are no dates; training counts them as missing."""
    import pandas as pd

    counts = values.dropna().astype(object).value_counts()
    texts = pd.Series(counts.index, dtype=object)
    unread = texts[parse_column(texts, date_format).isna().to_numpy()]
    codes = dict.fromkeys(text.strip() for text in unread if isinstance(text, str) and text.strip())
    return tuple(codes)[:_MAX_MISSING_CODES]


def _find_date_formats(model: Any) -> dict[str, str]:
    """Return the date formats of the first encoder inside of a model; empty if there is none."""
    for part in _parts(model, set()):
        if callable(getattr(part, "date_formats", None)):
            return dict(part.date_formats())
    return {}


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield an estimator and all estimators in its attributes, lists and dictionaries."""
    from sklearn.base import BaseEstimator

    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator) or type(value).__module__.startswith("lib."):
        yield value
        contents = list(getattr(value, "__dict__", {}).values())
    elif isinstance(value, (list, tuple)):
        contents = list(value)
    elif isinstance(value, dict):
        contents = list(value.values())
    else:
        return
    for content in contents:
        yield from _parts(content, seen)
