"""The flights pipeline on the bundled tables."""

import pandas as pd
import pytest
import yaml

from lib.errors import NameNotFound
from lib.paths import ROOT
from lib.pipelines import get_pipeline
from tests.workspaces import parameters_for

GIVEN = yaml.safe_load((ROOT / "parameters" / "flights.yaml").read_text())
LEAKS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


def flights(workspace, **changes):
    return get_pipeline(**{**parameters_for(workspace, **GIVEN), **changes})


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return flights(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def raw(pipeline):
    return pipeline.load_data()


@pytest.fixture(scope="module")
def prepared(pipeline, raw):
    return pipeline.prepare_data(raw)


def test_there_is_a_row_for_each_flight_that_arrived(raw, prepared):
    assert raw["arr_delay"].isna().any()
    assert len(prepared) == raw["arr_delay"].notna().sum()


def test_late_is_more_than_the_minutes_of_the_option(raw, prepared, pipeline):
    delays = raw["arr_delay"].dropna()
    assert (prepared["late"].to_numpy() == (delays > 15).to_numpy()).all()
    assert (delays == 15).any()  # a flight that is late by exactly so much is not
    assert 0.1 < prepared["late"].mean() < 0.5


def test_another_option_moves_the_target(tmp_path, raw):
    later = flights(tmp_path, options={**GIVEN["options"], "late_after_minutes": 60}).prepare_data(raw)
    assert later["late"].sum() == (raw["arr_delay"] > 60).sum()


def test_what_is_known_only_afterwards_is_gone(raw, prepared):
    assert LEAKS <= set(raw.columns)
    assert not LEAKS & set(prepared.columns)


def test_the_departure_is_a_moment_made_of_its_parts(raw, prepared):
    assert not {"year", "month", "day", "hour", "minute", "sched_dep_time"} & set(prepared.columns)
    first = raw[raw["arr_delay"].notna()].iloc[0]
    hours, minutes = divmod(int(first["sched_dep_time"]), 100)
    moment = pd.Timestamp(int(first["year"]), int(first["month"]), int(first["day"]), hours, minutes)
    assert prepared["scheduled_departure"].iloc[0] == moment


def test_the_weather_is_that_of_the_airport_and_the_hour(raw, prepared):
    weather = pd.read_csv(ROOT / GIVEN["options"]["weather_data"])
    for row in (0, len(prepared) // 2):
        flight = prepared.iloc[row]
        there = weather[(weather["origin"] == flight["origin"]) & (weather["time_hour"] == flight["time_hour"])]
        assert len(there) == 1
        assert there["temp"].iloc[0] == flight["temp"]
    assert prepared["temp"].notna().mean() > 0.95


def test_a_flight_without_weather_keeps_its_row(pipeline, raw):
    some = raw[raw["arr_delay"].notna()].head(30).assign(origin="XXX")
    prepared = pipeline.prepare_data(some)
    assert len(prepared) == 30
    assert prepared["temp"].isna().all()


def test_a_wind_that_cannot_be_counts_as_missing(prepared):
    weather = pd.read_csv(ROOT / GIVEN["options"]["weather_data"])
    assert (weather["wind_speed"] > 253).any()
    assert prepared["wind_speed"].max() < 253


def test_rows_can_be_handed_in_without_the_leaks_they_may_lack(pipeline, raw):
    without = raw.drop(columns=["air_time", "dep_delay"])
    assert len(pipeline.prepare_data(without)) == without["arr_delay"].notna().sum()


@pytest.mark.parametrize("column", ["arr_delay", "time_hour", "sched_dep_time"])
def test_a_table_that_lacks_a_column_is_told_which(pipeline, raw, column):
    with pytest.raises(NameNotFound, match=f"no column '{column}' in data/flights.csv.gz"):
        pipeline.prepare_data(raw.drop(columns=column))
