"""Time zones that the parameter file states, in every reader."""

import dataclasses
import datetime
import zoneinfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import DataError, ParameterError
from lib.parameters.checks import check_given
from lib.schema.date_columns import to_datetimes
from lib.schema.iso_datetimes import DatetimeParser
from lib.tables import frames
from lib.tables.schema_source import SchemaSource
from lib.tables.split.time_split import TimeSplit
from tests.tables.test_combined_dates import read_partitions

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
# A time that is skipped, one that occurs twice, and offsets of other zones.
TEXTS = {
    "2024-07-01 12:00": "2024-07-01T10:00Z",
    "2024-03-31 02:30": "2024-03-31T01:30Z",
    "2024-10-27 02:30": "2024-10-27T00:30Z",
    "2024-07-01T12:00:00Z": "2024-07-01T12:00Z",
    "2024-07-01T12:00:00-05:00": "2024-07-01T17:00Z",
    "2040-07-01 12:00": "2040-07-01T10:00Z",
}
INSTANTS = [pd.Timestamp(text) for text in TEXTS.values()]
SOURCES = {
    "table": SchemaSource(time_zone="Europe/Berlin"),
    "column": SchemaSource(columns={"when": {"time_zone": "Europe/Berlin"}}),
}


def write(path, texts, repeats=5):
    texts = list(texts) * repeats
    path.write_text("when,price\n" + "".join(f"{text},{row}.5\n" for row, text in enumerate(texts)))
    return path


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_texts_become_times_in_the_zone_in_every_reader(tmp_path, source):
    path = write(tmp_path / "a.csv", TEXTS)
    frame = frames.read(path, schema_source=source)
    assert str(frame["when"].dt.tz) == "Europe/Berlin"
    assert frame["when"].dt.tz_convert("UTC").tolist() == INSTANTS * 5
    pd.testing.assert_frame_equal(read_partitions(path, source, tmp_path / "parts"), frame)
    assert frame.attrs[frames.SCHEMA]["columns"]["when"]["time_zone"] == "Europe/Berlin"


def test_requests_mean_the_same_times_as_files(tmp_path):
    texts = [text.replace(" ", "T") for text in TEXTS]
    frame = frames.read(write(tmp_path / "a.csv", TEXTS, 1), schema_source=SOURCES["table"])
    instants = DatetimeParser("Europe/Berlin").to_instants(texts)
    assert frame["when"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().tolist() == instants.tolist()


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_timestamps_of_parquet_get_the_zone(tmp_path, source, zone):
    noon = datetime.datetime(2024, 7, 1, 12)
    values = pa.array([noon] * 30, pa.timestamp("ms", tz=zone))  # with a zone, noon is in UTC
    pq.write_table(pa.table({"when": values, "price": range(30)}), tmp_path / "a.parquet")
    frame = frames.read(tmp_path / "a.parquet", schema_source=source)
    expected = pd.Timestamp(noon, tz="UTC" if zone else "Europe/Berlin")
    assert set(frame["when"]) == {expected}
    # The zone of the table is for times without one; the zone of a column is for all of its times.
    kept = zone if zone and source is SOURCES["table"] else "Europe/Berlin"
    assert str(frame["when"].dt.tz) == kept
    pd.testing.assert_frame_equal(read_partitions(tmp_path / "a.parquet", source, tmp_path), frame)


def test_dates_without_a_time_keep_their_day(tmp_path):
    values = pa.array([datetime.date(2024, 7, 1)] * 30)
    pq.write_table(pa.table({"when": values, "price": range(30)}), tmp_path / "a.parquet")
    frame = frames.read(tmp_path / "a.parquet", schema_source=SOURCES["column"])
    assert set(frame["when"]) == {pd.Timestamp(2024, 7, 1, tz="Europe/Berlin")}


@pytest.mark.parametrize("source", [SchemaSource(), SOURCES["table"]], ids=["UTC", "Berlin"])
def test_mixed_offsets_in_one_column_are_the_same_instants(source, tmp_path):
    # pandas reads a text without an offset with that of the text before it.
    path = write(tmp_path / "a.csv", ["2024-07-01T12:00:00-05:00", "2024-07-01 12:00:00", "2024-07-01T12:00:00+09:00"])
    times = to_datetimes(frames.read(path, schema_source=source)["when"])
    assert times.dt.hour.tolist()[:3] == [17, 10 if source.time_zone else 12, 3]


def test_time_zone_of_a_column_of_numbers_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", TEXTS)
    with pytest.raises(DataError, match="columns: price: time_zone is set, but the column is of kind number"):
        frames.read(path, schema_source=SchemaSource(columns={"price": {"time_zone": "Europe/Berlin"}}))


def test_unreadable_time_is_a_fault_with_its_row(tmp_path):
    path = write(tmp_path / "a.csv", [*TEXTS] * 5 + ["soon"], 1)
    frame = frames.read(path, schema_source=SOURCES["table"])
    assert "when: 'soon' is not a date and counts as missing." in frame.attrs[frames.NOTES]
    strict = dataclasses.replace(SOURCES["table"], columns={"when": {"missing_values": []}})
    with pytest.raises(DataError, match="row 31: column 'when': got 'soon', expected a date"):
        frames.read(path, schema_source=strict)


@pytest.mark.parametrize("zone", ["Europ/Berlin", "+25:00", "Berlin"])
def test_unknown_zone_is_refused_before_anything_runs(zone):
    with pytest.raises(ParameterError, match="time_zone: there is no time zone"):
        check_given({"time_zone": zone})


def test_time_cut_is_a_local_time_of_the_column():
    times = pd.date_range("2024-06-30 20:00", periods=6, freq="h", tz="Europe/Berlin")
    rule = TimeSplit.from_table(pd.DataFrame({"when": times}), "when", "2024-07-01", 0.2)
    assert rule.is_test(pd.DataFrame({"when": times})).tolist() == [False] * 4 + [True] * 2
    assert rule.cut == "2024-06-30T22:00:00"
    in_utc = TimeSplit.from_table(pd.DataFrame({"when": times}), "when", "2024-06-30T22:00:00Z", 0.2)
    assert in_utc == rule
