"""Dates and times of a column, whatever they came as."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from lib.schema import date_formats

_MOSTLY = 0.9
_SAMPLE = 1_000


@dataclass(frozen=True)
class DateForm:
    """How the dates of a column of texts are written.

    Attributes
    ----------
    form : str
        As `date_formats.possible` gives it.
    is_ambiguous : bool
        Whether every date can be read with day and month in each other's place, and is another one then.
    unread : int
        Texts that have another form.
    example : str
    """

    form: str
    is_ambiguous: bool
    unread: int
    example: str


def as_moments(values: pd.Series, form: str = "") -> pd.Series | None:
    """Moments without a zone (those with one in UTC), or floats of a column of numbers; None of anything else.

    Parameters
    ----------
    values : Series of shape (rows,)
    form : str
        Of dates that come as text; empty: found by looking.

    Returns
    -------
    Series of datetime64 or of float, of shape (rows,), or None
    """
    if pd.api.types.is_bool_dtype(values.dtype):
        return None
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype(float)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values if values.dt.tz is None else values.dt.tz_convert("UTC").dt.tz_localize(None)
    if isinstance(values.dtype, pd.PeriodDtype):
        return values.dt.to_timestamp()
    if not form and pd.api.types.infer_dtype(values, skipna=True) in ("date", "datetime"):
        return pd.to_datetime(values, errors="coerce", utc=True).dt.tz_localize(None)
    form = form or date_format(values) or ""
    return None if not form else date_formats.parse(values, form).dt.tz_localize(None)


def date_format(values: pd.Series, month_first: bool = False) -> str | None:
    """The form that reads nearly all texts of a column as dates; None where none does."""
    words = _words(values)
    # Digits alone are a number or a code, though ISO 8601 has years of four digits.
    sample = words.sample(min(len(words), _SAMPLE), random_state=0)
    if sample.empty or sample.str.isdigit().all() or sample.str.contains(r"\d").mean() < _MOSTLY:
        return None
    forms = date_formats.possible(sample, month_first)
    shares = {form: date_formats.parse(sample, form).notna().mean() for form in forms}
    best = max(shares, key=shares.get)
    if shares[best] < _MOSTLY:
        return None
    other = date_formats.swapped(best)
    # A sample may lack the one row that tells day from month.
    if other == best or shares[other] < shares[best] or len(sample) == len(words):
        return best
    distinct = pd.Series(words.unique())
    reads = {form: date_formats.parse(distinct, form).notna().mean() for form in (best, other)}
    return max(reads, key=reads.get)


def date_form(values: pd.Series, month_first: bool = False) -> DateForm | None:
    """How the dates of a column of texts are written, seen from all of them; None where they are none."""
    form = date_format(values, month_first)
    if form is None:
        return None
    counts = _words(values).value_counts()
    words = pd.Series(counts.index, dtype=object)
    read = date_formats.parse(words, form)
    other = date_formats.swapped(form)
    swapped = read if other == form else date_formats.parse(words, other)
    is_ambiguous = bool((swapped.notna() == read.notna()).all() and (swapped != read)[read.notna()].any())
    missing = read.isna().to_numpy()
    telling = ~missing & ((swapped != read) if is_ambiguous else swapped.isna())
    example = words[telling].iloc[0] if telling.any() else words[~missing].iloc[0]
    return DateForm(form, is_ambiguous, int(counts[missing].sum()), example)


def mixed_forms(values: pd.Series) -> list[str]:
    """Forms that only together read nearly all texts of a column as dates; empty where they do not."""
    words = _words(values)
    sample = words.sample(min(len(words), _SAMPLE), random_state=0)
    if sample.empty or sample.str.isdigit().all():
        return []
    reads = {form: date_formats.parse(sample, form).notna() for form in date_formats.possible(sample)}
    reads = {form: read for form, read in reads.items() if read.any()}
    return list(reads) if reads and pd.DataFrame(reads).any(axis=1).mean() >= _MOSTLY else []


def _words(values: pd.Series) -> pd.Series:
    words = values.dropna().astype(str).str.strip()
    return words[words != ""]
