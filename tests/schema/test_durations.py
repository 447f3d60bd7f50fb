"""Durations and times of day that are text."""

import math

import pandas as pd
import pytest

from lib.schema.durations import parse_seconds


@pytest.mark.parametrize("seconds", [0, 1, 59.5, 3600, 86399, 86400, 90061.25, -1, -61, -86400, -90061])
def test_every_way_of_pandas_to_write_a_duration_is_read(seconds):
    duration = pd.Timedelta(seconds, unit="s")
    assert parse_seconds(str(duration)) == seconds
    assert parse_seconds(str(seconds)) == seconds
    if seconds >= 0:
        assert parse_seconds(duration.isoformat()) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("7:05", 25500), (" 07:05:30 ", 25530), ("07:05:30,5", 25530.5), ("-1:00", -3600)]
)
def test_clock_times_are_read(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "7:60", "7:05:61", "1 hour", "nan", "inf", "24.12.2023", "٣:05"])
def test_other_texts_are_not_durations(text):
    assert math.isnan(parse_seconds(text))
