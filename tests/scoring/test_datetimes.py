"""Dates in requests: ISO 8601 with a cache, in the time zone and format of the training column."""

import datetime

import pandas as pd
import pytest

from lib.schema import datetimes, iso_datetimes
from lib.schema.iso_datetimes import DatetimeParser
from lib.schema.text_dates import TextDateParser

NEW_YORK = "America/New_York"


def test_only_valid_datetimes_are_cached():
    cache = iso_datetimes._Cache(None, is_local=True)
    assert cache["2026-11-22"] == cache["2026-11-22T00:00:00Z"] and cache[None] == iso_datetimes.MISSING
    for invalid in ("x" * 10**6, "2026-02-30", "2026-11-22T09:30:00+25:00"):
        with pytest.raises(KeyError):
            cache[invalid]
    assert set(cache) == {"2026-11-22", "2026-11-22T00:00:00Z"}


def test_cache_stays_below_its_maximum_size(monkeypatch):
    monkeypatch.setattr(iso_datetimes, "MAX_CACHED", 5)
    cache = iso_datetimes._Cache(None, is_local=True)
    texts = [f"2026-11-{day:02}" for day in range(1, 31)]
    assert [cache[text] for text in texts] == sorted(cache[text] for text in texts)
    assert len(cache) <= 5


def test_dates_of_all_years_are_valid():
    parser = DatetimeParser()
    texts = ["0001-01-01", "1677-01-01", "2026-11-22T09:30:00.123456789", "9999-12-31T23:59:59"]
    assert parser.are_valid(texts) and not parser.is_valid("0000-01-01")
    assert parser.to_local_times([*texts, None]).tolist() == [
        datetime.datetime(1, 1, 1),
        datetime.datetime(1677, 1, 1),
        datetime.datetime(2026, 11, 22, 9, 30, 0, 123456),
        datetime.datetime(9999, 12, 31, 23, 59, 59),
        None,
    ]


def test_local_times_in_a_zone_equal_those_of_pandas():
    hours = pd.date_range("2024-01-01", "2024-12-31", freq="7h", tz=NEW_YORK)
    parser = DatetimeParser(NEW_YORK)
    expected = hours.tz_localize(None).astype("datetime64[us]").tolist()
    for texts in (
        [moment.isoformat() for moment in hours],
        [moment.tz_convert("UTC").isoformat().replace("+00:00", "Z") for moment in hours],
    ):
        assert parser.to_local_times(texts).tolist() == expected
        assert parser.to_instants(texts).tolist() == hours.tz_convert("UTC").tz_localize(None).astype("M8[us]").tolist()


def test_text_without_offset_is_local_time_of_the_zone():
    parser = DatetimeParser(NEW_YORK)
    assert parser.to_instants(["2026-07-01T12:00:00"]).tolist() == [datetime.datetime(2026, 7, 1, 16)]
    # The clock change in March skips the hour from 2 to 3.
    assert parser.to_local_times(["2024-03-10T02:30:00"]).tolist() == [datetime.datetime(2024, 3, 10, 3, 30)]
    assert DatetimeParser("+02:00").to_local_times(["2026-07-01T12:00:00Z"]).tolist() == [
        datetime.datetime(2026, 7, 1, 14)
    ]


def test_unknown_time_zone_is_an_error():
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus'; expected an IANA name"):
        DatetimeParser("Mars/Olympus")


@pytest.mark.parametrize("date_format", ["%d.%m.%Y", datetimes.ISO_FORMAT, "%m/%d/%y %I:%M %p"])
def test_text_dates_equal_those_of_training(date_format):
    texts = ["31.12.2026", "2026-12-31", "2026-12-31T10:00:00+02:00", "12/31/26 10:05 PM", " 01.02.2024 ", "9999-12-31"]
    texts += ["31.12.9999", "0001-01-01", "rubbish", "2026-02-30", "11/05/2024", ""]
    expected = datetimes.parse_column(pd.Series(texts), date_format).dt.tz_localize(None).astype("datetime64[us]")
    parser = TextDateParser(date_format)
    assert [parser.is_valid(text) for text in texts] == expected.notna().tolist()
    valid = [text for text in texts if parser.is_valid(text)]
    assert parser.to_array(valid).tolist() == expected.dropna().tolist()


def test_missing_codes_of_text_dates_count_as_missing():
    parser = TextDateParser("%d.%m.%Y", ["unknown"])
    assert parser.are_valid(["unknown", " unknown ", "31.12.2026"]) and not parser.is_valid("Unknown date")
    assert pd.isna(parser.to_array(["unknown", " unknown ", None])).all()


def test_text_dates_beyond_the_cache_are_parsed(monkeypatch):
    monkeypatch.setattr("lib.schema.text_dates.MAX_CACHED", 5)
    parser = TextDateParser("%d.%m.%Y")
    texts = [f"{day:02}.11.2026" for day in range(1, 31)]
    for start in range(0, 30, 3):
        assert parser.are_valid(texts[start : start + 3])
    assert parser.to_array(texts).astype("datetime64[D]").tolist() == [
        datetime.date(2026, 11, day) for day in range(1, 31)
    ]
