"""The flights pipeline: will a flight from New York arrive late? data/README.md describes the tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import pandas as pd

from lib.errors import NameNotFound
from lib.pipelines.base import BasePipeline

# Known only after departure or arrival, and therefore missing from a request for a prediction.
_LEAKS = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
_REQUIRED_COLUMNS = ("arr_delay", "year", "month", "day", "sched_dep_time", "time_hour", "origin")
_TIME_PARTS = ["year", "month", "day", "hour", "minute", "sched_dep_time"]
_WEATHER_COLUMNS = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
_WEATHER_KEYS = ["origin", "time_hour"]
# The source contains a reading of 1048 mph. The strongest gust on record is 253 mph (Barrow Island, 1996).
_MAX_WIND_MPH = 253


class FlightsPipeline(BasePipeline):
    """A binary task: whether a flight arrives more than ``late_after_minutes`` behind schedule."""

    OPTIONS: ClassVar[dict[str, type]] = {"weather_data": str, "late_after_minutes": int}

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the flights that arrived, with the target, the scheduled departure and the weather at that hour."""
        _check_columns(frame, _REQUIRED_COLUMNS, self.parameters.data)
        arrived = frame[frame["arr_delay"].notna()]  # cancelled and diverted flights have no target
        prepared = arrived.drop(columns=[*_LEAKS, *_TIME_PARTS], errors="ignore").assign(
            scheduled_departure=_scheduled_departure(arrived),
            late=arrived["arr_delay"] > self.parameters.options["late_after_minutes"],
        )
        return prepared.merge(self._read_weather(), on=_WEATHER_KEYS, how="left", validate="many_to_one")

    def _read_weather(self) -> pd.DataFrame:
        """Return the weather, one row per airport and hour; impossible wind speeds become missing values."""
        uri = self.parameters.options["weather_data"]
        weather = self.backend.read_table(uri)
        columns = _WEATHER_KEYS + _WEATHER_COLUMNS
        _check_columns(weather, columns, uri)
        weather = weather[columns].drop_duplicates(_WEATHER_KEYS)
        return weather.assign(wind_speed=weather["wind_speed"].where(weather["wind_speed"] <= _MAX_WIND_MPH))


def _check_columns(frame: pd.DataFrame, required: Iterable[str], uri: str) -> None:
    """Raise NameNotFound for the first required column that a table lacks."""
    for name in required:
        if name not in frame.columns:
            raise NameNotFound("column", name, frame.columns, where=uri)


def _scheduled_departure(flights: pd.DataFrame) -> pd.Series:
    """Return the scheduled local departure times; ``sched_dep_time`` is HHMM as a number, e.g. 1405 for 14:05."""
    time = flights["sched_dep_time"]
    minutes = time // 100 * 60 + time % 100
    return pd.to_datetime(flights[["year", "month", "day"]]) + pd.to_timedelta(minutes, unit="min")
