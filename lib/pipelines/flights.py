"""Will a flight from New York arrive late? Derives the target and joins the weather; data/README.md has the tables."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd

from lib.errors import NameNotFound
from lib.pipelines.base import BasePipeline

# Known only once the flight has left or arrived: an endpoint that is asked before could not have them.
_LEAKS = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
_NEEDED = ("arr_delay", "year", "month", "day", "sched_dep_time", "time_hour", "origin")
_PARTS_OF_TIME = ["year", "month", "day", "hour", "minute", "sched_dep_time"]
_WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
_HOUR = ["origin", "time_hour"]
# One reading of 1048 mph is in the source; the strongest gust ever measured on land is 253.
_STRONGEST_WIND_MPH = 253


class FlightsPipeline(BasePipeline):
    """Binary: ``late`` is true where a flight arrived more than ``late_after_minutes`` after its schedule."""

    OPTIONS: ClassVar[dict[str, type]] = {"weather_data": str, "late_after_minutes": int}

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Flights that arrived, with the target, the scheduled departure in local time and the weather of that hour."""
        for name in _NEEDED:
            if name not in frame.columns:
                raise NameNotFound("column", name, frame.columns, where=self.parameters.data)
        arrived = frame[frame["arr_delay"].notna()]  # a cancelled or diverted flight is neither late nor in time
        late = arrived["arr_delay"] > self.parameters.options["late_after_minutes"]
        day = pd.to_datetime(arrived[["year", "month", "day"]])
        minutes = arrived["sched_dep_time"] // 100 * 60 + arrived["sched_dep_time"] % 100  # 1405 is five past two
        known = arrived.drop(columns=[*_LEAKS, *_PARTS_OF_TIME], errors="ignore")
        known = known.assign(scheduled_departure=day + pd.to_timedelta(minutes, unit="min"), late=late)
        return known.merge(self._weather(), on=_HOUR, how="left", validate="many_to_one")

    def _weather(self) -> pd.DataFrame:
        """A row for each airport and hour; readings that cannot be are missing."""
        uri = self.parameters.options["weather_data"]
        weather = self.backend.read_table(uri)
        for name in _HOUR + _WEATHER:
            if name not in weather.columns:
                raise NameNotFound("column", name, weather.columns, where=uri)
        weather = weather[_HOUR + _WEATHER].drop_duplicates(_HOUR)
        return weather.assign(wind_speed=weather["wind_speed"].where(weather["wind_speed"] <= _STRONGEST_WIND_MPH))
