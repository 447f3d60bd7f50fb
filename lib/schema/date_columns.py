"""Conversion of a table's columns of any type to datetimes, and the date format of a text column."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.schema import datetimes

# A column contains dates if at least this share of its texts can be read as one.
_MIN_DATE_SHARE = 0.9
_SAMPLE_TEXTS = 1_000
# Every date starts with a digit or the name of a month, and has at least three digits, as 5-Mar-24 does.
_DATE_START = re.compile(r"(?=(?:\D*\d){3})(?:\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)


@dataclass(frozen=True)
class DateFormat:
    """The date format of a text column.

    Attributes
    ----------
    format : str
        A format listed by `datetimes.candidate_formats`.
    is_ambiguous : bool
        Whether no text shows which number is the day: with day and month swapped, all dates are valid but different.
    unreadable : int
        Number of rows whose text is not a date in this format.
    example : str
        A text that shows which number is the day, if there is one; otherwise any date.
    """

    format: str
    is_ambiguous: bool
    unreadable: int
    example: str


def to_datetimes(values: pd.Series, date_format: str = "") -> pd.Series | None:
    """Convert a column to datetimes without a time zone. Numbers are kept, because they may also grow with time.

    Parameters
    ----------
    values : Series of shape (rows,)
        Values with a time zone are converted to UTC.
    date_format : str
        Format of dates that are text; inferred if empty.

    Returns
    -------
    Series of datetime64 or float, of shape (rows,), or None
        None if the column contains neither dates nor numbers.
    """
    if pd.api.types.is_bool_dtype(values.dtype):
        return None
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype(float)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values if values.dt.tz is None else values.dt.tz_convert("UTC").dt.tz_localize(None)
    if isinstance(values.dtype, pd.PeriodDtype):
        return values.dt.to_timestamp()
    if not date_format and pd.api.types.infer_dtype(values, skipna=True) in ("date", "datetime"):
        return datetimes.parse_column(values.astype(object), datetimes.ISO_FORMAT).dt.tz_localize(None)
    date_format = date_format or infer_date_format(values) or ""
    return datetimes.parse_column(values, date_format).dt.tz_localize(None) if date_format else None


def infer_date_format(values: pd.Series, month_first: bool = False) -> str | None:
    """Return the format in which nearly all texts of a column are dates, or None.

    Parameters
    ----------
    values : Series of shape (rows,)
    month_first : bool
        Whether the month comes first in dates such as 03/04/2005 if no text shows which number is the day.
    """
    return infer_format_of_counts(_present_texts(values).value_counts().to_dict(), month_first)


def infer_format_of_counts(counts: Mapping[str, int], month_first: bool = False) -> str | None:
    """Return the format in which nearly all texts are dates, or None.

    Parameters
    ----------
    counts : mapping of str to int
        Number of rows with each text. Texts are not empty and have no surrounding spaces.
    month_first : bool
        Whether the month comes first in dates such as 03/04/2005 if no text shows which number is the day.
    """
    texts = list(counts)
    sample = texts if len(texts) <= _SAMPLE_TEXTS else random.Random(0).sample(texts, _SAMPLE_TEXTS)
    # Digits alone are a number or a code, even though ISO 8601 allows a bare year.
    if all(text.isdigit() for text in sample):
        return None
    rows = sum(counts[text] for text in sample)
    if sum(counts[text] for text in sample if _DATE_START.match(text)) < _MIN_DATE_SHARE * rows:
        return None
    best, max_date_rows = _best_format(sample, counts, datetimes.candidate_formats(sample, month_first))
    if max_date_rows < _MIN_DATE_SHARE * rows:
        return None
    swapped = datetimes.swap_day_and_month(best)
    if swapped == best or len(sample) == len(texts):
        return best
    # The sample may lack the one text that shows which number is the day.
    return _best_format(texts, counts, [best, swapped])[0]


def inspect_date_format(values: pd.Series, month_first: bool = False) -> DateFormat | None:
    """Return the date format of a text column, and how well it fits all rows; None if the column has no dates."""
    date_format = infer_date_format(values, month_first)
    if date_format is None:
        return None
    counts = _present_texts(values).value_counts()
    texts = pd.Series(counts.index, dtype=object)
    dates = datetimes.parse_column(texts, date_format)
    swapped_format = datetimes.swap_day_and_month(date_format)
    swapped = dates if swapped_format == date_format else datetimes.parse_column(texts, swapped_format)
    is_ambiguous = bool((swapped.notna() == dates.notna()).all() and (swapped != dates)[dates.notna()].any())
    is_unreadable = dates.isna().to_numpy()
    # The best example is a date that changes, or becomes invalid, when day and month are swapped.
    changes_if_swapped = ~is_unreadable & ((swapped != dates) if is_ambiguous else swapped.isna())
    example = texts[changes_if_swapped].iloc[0] if changes_if_swapped.any() else texts[~is_unreadable].iloc[0]
    return DateFormat(date_format, is_ambiguous, int(counts[is_unreadable].sum()), example)


def find_unreadable(texts: Sequence[str | None], date_format: str) -> list[str]:
    """Return the distinct texts that are not dates in a format, without surrounding spaces.

    Examples
    --------
    >>> find_unreadable(["31/12/2024", " unknown", None, ""], "%d/%m/%Y")
    ['unknown']
    """
    values = pd.Series(texts, dtype=object)
    unreadable = values[(datetimes.parse_column(values, date_format).isna() & values.notna()).to_numpy()]
    return list(dict.fromkeys(stripped for text in unreadable if (stripped := text.strip())))


def find_mixed_formats(values: pd.Series) -> list[str]:
    """Return the date formats that together fit nearly all texts of a column, or an empty list."""
    texts = _present_texts(values)
    sample = texts.sample(min(len(texts), _SAMPLE_TEXTS), random_state=0)
    if sample.empty or sample.str.isdigit().all():
        return []
    matches_by_format = {
        date_format: matches
        for date_format in datetimes.candidate_formats(sample.tolist())
        if (matches := datetimes.parse_column(sample, date_format).notna()).any()
    }
    if not matches_by_format or pd.DataFrame(matches_by_format).any(axis=1).mean() < _MIN_DATE_SHARE:
        return []
    return list(matches_by_format)


def _best_format(texts: Sequence[str], counts: Mapping[str, int], formats: Sequence[str]) -> tuple[str, int]:
    """Return the format in which the most rows are dates, and the number of these rows. On a tie, the first wins."""
    column = pd.Series(texts, dtype=object)
    rows = np.array([counts[text] for text in texts])
    best_format, max_date_rows = "", -1
    for date_format in formats:
        date_rows = int(rows[datetimes.parse_column(column, date_format).notna().to_numpy()].sum())
        if date_rows > max_date_rows:
            best_format, max_date_rows = date_format, date_rows
        if date_rows == rows.sum():
            break
    return best_format, max_date_rows


def _present_texts(values: pd.Series) -> pd.Series:
    """Return the values as text without surrounding spaces, except missing and blank ones."""
    texts = values.dropna().astype(str).str.strip()
    return texts[texts != ""]
