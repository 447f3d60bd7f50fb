"""Splits by time: the latest rows are test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from lib.errors import DataError
from lib.schema.date_columns import infer_date_format, to_datetimes
from lib.schema.time_zones import get_zone_name, to_utc
from lib.tables.split.base import SplitRule, get_split_column


@dataclass(frozen=True)
class TimeSplit(SplitRule):
    """Split by time: rows from a cut on are test rows; earlier rows and rows without a time are training rows.

    Attributes
    ----------
    column : str
        Column of dates, times, or numbers that grow with time.
    cut : str or float
        The time of the first test row: in ISO 8601 (in UTC if the column has a time zone), or a number.
    date_format : str
        Format of dates that are text, inferred from the whole table, because a part of the rows may be ambiguous.
    """

    column: str
    cut: str | float
    date_format: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns whose values decide whether a row trains or tests."""
        return (self.column,)

    @classmethod
    def from_table(
        cls, frame: pd.DataFrame, column: str, cut: str, test_fraction: float, month_first: bool = False
    ) -> TimeSplit:
        """Derive the rule from the time column of a table.

        Parameters
        ----------
        frame : DataFrame
        column : str
        cut : str
            The time of the first test row, in the time zone of the column. If empty, the time with which the share of
            test rows, among the rows with a time, is nearest to `test_fraction`. Rows with equal times stay together.
        test_fraction : float
        month_first : bool
            Whether to read ambiguous dates such as 03/04/2024 with the month first.

        Raises
        ------
        DataError
            If the column contains no times or only one, or the cut cannot be compared with them.
        """
        values = get_split_column(frame, column, "time_column")
        is_typed = is_numeric_dtype(values.dtype) or is_datetime64_any_dtype(values.dtype)
        date_format = "" if is_typed else infer_date_format(values, month_first) or ""
        times = to_datetimes(values, date_format)
        if times is None or times.isna().all():
            present = values.dropna()
            example = f", e.g. {present.iloc[0]!r}" if len(present) else ": all its values are missing"
            raise DataError(
                f"time_column: {column} contains no dates or times{example}. "
                "Choose another time_column, or split: hash."
            )
        is_number = times.dtype.kind == "f"
        if cut != "":
            parsed = to_datetimes(pd.Series([cut]).astype(float if is_number else object))
            if parsed is None or parsed.isna().any():
                raise DataError(f"time_cut: {cut!r} cannot be compared with {column}. Use a date such as 2024-07-01.")
            if isinstance(values.dtype, pd.DatetimeTZDtype):
                return cls(column, _cut_in_utc(cut, get_zone_name(values.dtype.tz)), date_format)
            return cls(column, cut, date_format)
        first_test_time = _find_cut(times, column, test_fraction)
        return cls(column, float(first_test_time) if is_number else first_test_time.isoformat(), date_format)

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Return whether each row is a test row, as a boolean array of shape (rows,)."""
        times = to_datetimes(get_split_column(frame, self.column, "time_column"), self.date_format)
        if times is None:
            return np.zeros(len(frame), dtype=bool)
        return (times >= self._parsed_cut(times)).to_numpy()

    def to_dict(self) -> dict[str, Any]:
        """Return the rule in plain JSON types."""
        values: dict[str, Any] = {"columns": [self.column], "cut": self.cut}
        # Stored under its original name, so that rules saved with earlier models still compare equal.
        return {**values, "form": self.date_format} if self.date_format else values

    def describe_cut(self, frame: pd.DataFrame) -> str:
        """Return the last training time and the first test time as text.

        >>> frame = pd.DataFrame({"day": pd.to_datetime(["2024-04-01", "2024-05-01"])})
        >>> TimeSplit("day", "2024-05-01T00:00:00").describe_cut(frame)
        'between 2024-04-01 and 2024-05-01'
        """
        times = to_datetimes(frame[self.column], self.date_format)
        assert times is not None, "the rule was derived from these times"
        cut = self._parsed_cut(times)
        before, after = times[times < cut].max(), times[times >= cut].min()
        return f"between {_format_time(before)} and {_format_time(after)}"

    @property
    def formatted_cut(self) -> str:
        """The cut as text; a midnight is written as a date alone."""
        return str(self.cut).removesuffix("T00:00:00")

    def _parsed_cut(self, times: pd.Series) -> Any:
        return float(self.cut) if times.dtype.kind == "f" else pd.Timestamp(self.cut)

    def _describe_sizes(self, keys: int) -> str:
        return f"{self.column} from {self.formatted_cut} on"


def _cut_in_utc(cut: str, time_zone: str) -> str:
    """Convert a cut to UTC; a cut without a UTC offset is a local time. The result is in ISO 8601 without a zone.

    >>> _cut_in_utc("2024-07-01", "Europe/Berlin"), _cut_in_utc("2024-07-01T00:00Z", "Europe/Berlin")
    ('2024-06-30T22:00:00', '2024-07-01T00:00:00')
    """
    moment = pd.Timestamp(cut)
    if moment.tz is not None:
        return str(moment.tz_convert("UTC").tz_localize(None).isoformat())
    return str(pd.Timestamp(to_utc(np.array([moment], dtype="datetime64[us]"), time_zone)[0]).isoformat())


def _find_cut(times: pd.Series, column: str, test_fraction: float) -> Any:
    """Return the time of the first test row for the nearest share of test rows. The earliest time always trains."""
    distinct, counts = np.unique(times.dropna().to_numpy(), return_counts=True)
    if len(distinct) < 2:
        raise DataError(
            f"time_column: all rows have the same {column}, {_format_time(pd.Series(distinct)[0])}; expected at least "
            "two times, because the latest rows test. Choose another time_column, or split: hash."
        )
    test_rows = np.cumsum(counts[::-1])[::-1][1:]
    nearest = int(np.argmin(np.abs(test_rows - test_fraction * counts.sum())))
    return pd.Series(distinct)[nearest + 1]


def _format_time(time: Any) -> str:
    """Return a time in ISO 8601, without the time of day if that is midnight; a number in its shortest form."""
    return f"{time:g}" if isinstance(time, float) else str(time.isoformat()).removesuffix("T00:00:00")
