"""Parsing of dates that a column stores as text in one format, as in training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lib.schema.datetimes import parse_column
from lib.schema.iso_datetimes import MAX_CACHED, MISSING, parse_microseconds


class TextDateParser:
    """A parser of a column of dates stored as text, with a cache.

    Training parses such a column with `lib.schema.datetimes.parse_column`; this class calls the same function, so that
    a text means the same date in a request.

    Parameters
    ----------
    date_format : str
        Format of the training column.
    missing_codes : iterable of str
        Texts that count as missing, because the training column contained them.

    Examples
    --------
    >>> parser = TextDateParser("%d.%m.%Y", ["unknown"])
    >>> parser.is_valid("31.12.2026"), parser.is_valid("12/31/2026"), parser.is_valid("unknown")
    (True, False, True)
    >>> parser.to_array(["31.12.2026", "unknown", None]).astype("datetime64[D]").tolist()
    [datetime.date(2026, 12, 31), None, None]
    """

    def __init__(self, date_format: str, missing_codes: Iterable[str] = ()):
        self._format = date_format
        self._missing = dict.fromkeys([None, *missing_codes], MISSING)
        self._microseconds: dict[str | None, int] = dict(self._missing)

    def is_valid(self, value: object) -> bool:
        """Return whether a value is a date in the column's format or in ISO 8601, or a missing code."""
        return isinstance(value, str) and self.are_valid([value])

    def are_valid(self, texts: Sequence[str]) -> bool:
        """Return whether all texts are valid."""
        self._add_to_cache(texts)
        return all(text in self._microseconds or text.strip() in self._missing for text in texts)

    def to_array(self, values: Sequence[str | None]) -> np.ndarray:
        """Convert valid texts to ``datetime64[us]``, in UTC if they have an offset, and None to NaT."""
        self._add_to_cache(values)
        microseconds = [self._microseconds.get(value, MISSING) for value in values]
        return np.array(microseconds, dtype=np.int64).view("datetime64[us]")

    def _add_to_cache(self, values: Sequence[str | None]) -> None:
        """Parse the values, and add the valid dates to the cache. Invalid text may be long, so it is not cached."""
        uncached = {value for value in values if value not in self._microseconds}
        if not uncached:
            return
        if len(self._microseconds) + len(uncached) > MAX_CACHED:
            self._microseconds = dict(self._missing)
            uncached = set(values) - self._missing.keys()
        texts = [text for text in uncached if text is not None]
        # pandas, which training uses, reads ISO 8601 the same way, but takes much longer for a single text.
        iso_dates = {text: parsed for text in texts if (parsed := parse_microseconds(text)) is not None}
        self._microseconds |= {text: microseconds - (offset or 0) for text, (microseconds, offset) in iso_dates.items()}
        others = [text for text in texts if text not in iso_dates]
        if others:
            self._microseconds.update(_parse_with_pandas(others, self._format))


def _parse_with_pandas(texts: list[str], date_format: str) -> dict[str, int]:
    """Return the dates among the texts, in microseconds since 1970."""
    import pandas as pd

    dates = parse_column(pd.Series(texts, dtype=object), date_format).dt.tz_localize(None).astype("datetime64[us]")
    microseconds = dates.to_numpy().view(np.int64).tolist()
    return {text: number for text, number in zip(texts, microseconds, strict=True) if number != MISSING}
