"""Dates and times of a column, whatever they came as."""

from __future__ import annotations

import pandas as pd

# Where days and months cannot be told apart in any row, the day comes first, as in the training's own reading.
FORMATS = (
    "ISO8601",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%Y%m%dT%H%M%S",
)
_MOSTLY = 0.9
_SAMPLE = 1_000


def as_moments(values: pd.Series) -> pd.Series | None:
    """Moments without a zone (those with one in UTC), or floats of a column of numbers; None of anything else.

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
    form = date_format(values)
    return None if form is None else _parsed(values, form)


def date_format(values: pd.Series) -> str | None:
    """The one of `FORMATS` that reads nearly all texts of a column; None where none does."""
    words = values.dropna().astype(str).str.strip()
    words = words[words != ""]
    # Digits alone are a number or a code, though ISO 8601 has years of four digits.
    sample = words.sample(min(len(words), _SAMPLE), random_state=0)
    if sample.empty or sample.str.isdigit().all() or sample.str.contains(r"\d").mean() < _MOSTLY:
        return None
    shares = {form: _parsed(sample, form).notna().mean() for form in FORMATS}
    best = max(shares, key=shares.get)
    return best if shares[best] >= _MOSTLY else None


def _parsed(values: pd.Series, form: str) -> pd.Series:
    return pd.to_datetime(values, format=form, errors="coerce", utc=True).dt.tz_localize(None)
