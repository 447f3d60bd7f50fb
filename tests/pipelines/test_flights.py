"""The flights pipeline with the bundled tables."""

import pandas as pd
import pytest
import yaml

from lib.errors import NameNotFound
from lib.paths import ROOT
from lib.pipelines import get_pipeline
from tests.workspaces import parameters_for

PARAMETERS = yaml.safe_load((ROOT / "parameters" / "flights.yaml").read_text())
LEAKS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


def flights_pipeline(workspace, **changes):
    return get_pipeline(**{**parameters_for(workspace, **PARAMETERS), **changes})


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return flights_pipeline(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def raw(pipeline):
    return pipeline.load_data()


@pytest.fixture(scope="module")
def prepared(pipeline, raw):
    return pipeline.prepare_data(raw)


def test_each_arrived_flight_has_one_row(raw, prepared):
    assert raw["arr_delay"].isna().any()
    assert len(prepared) == raw["arr_delay"].notna().sum()


def test_late_means_more_than_late_after_minutes(raw, prepared, pipeline):
    delays = raw["arr_delay"].dropna()
    assert (prepared["late"].to_numpy() == (delays > 15).to_numpy()).all()
    assert (delays == 15).any()  # a delay of exactly 15 minutes is not late
    assert 0.1 < prepared["late"].mean() < 0.5


def test_late_after_minutes_changes_the_target(tmp_path, raw):
    later = flights_pipeline(tmp_path, options={**PARAMETERS["options"], "late_after_minutes": 60}).prepare_data(raw)
    assert later["late"].sum() == (raw["arr_delay"] > 60).sum()


def test_leaks_are_removed(raw, prepared):
    assert LEAKS <= set(raw.columns)
    assert not LEAKS & set(prepared.columns)


def test_scheduled_departure_combines_date_and_time(raw, prepared):
    assert not {"year", "month", "day", "hour", "minute", "sched_dep_time"} & set(prepared.columns)
    first = raw[raw["arr_delay"].notna()].iloc[0]
    hours, minutes = divmod(int(first["sched_dep_time"]), 100)
    departure = pd.Timestamp(int(first["year"]), int(first["month"]), int(first["day"]), hours, minutes)
    assert prepared["scheduled_departure"].iloc[0] == departure


def test_weather_matches_airport_and_hour(raw, prepared):
    weather = pd.read_csv(ROOT / PARAMETERS["options"]["weather_data"])
    for row in (0, len(prepared) // 2):
        flight = prepared.iloc[row]
        at_departure = weather[(weather["origin"] == flight["origin"]) & (weather["time_hour"] == flight["time_hour"])]
        assert len(at_departure) == 1
        assert at_departure["temp"].iloc[0] == flight["temp"]
    assert prepared["temp"].notna().mean() > 0.95


def test_flight_without_weather_keeps_its_row(pipeline, raw):
    unknown_airport = raw[raw["arr_delay"].notna()].head(30).assign(origin="XXX")
    prepared = pipeline.prepare_data(unknown_airport)
    assert len(prepared) == 30
    assert prepared["temp"].isna().all()


def test_impossible_wind_speed_becomes_missing(prepared):
    weather = pd.read_csv(ROOT / PARAMETERS["options"]["weather_data"])
    assert (weather["wind_speed"] > 253).any()
    assert prepared["wind_speed"].max() < 253


def test_leak_columns_are_optional(pipeline, raw):
    without = raw.drop(columns=["air_time", "dep_delay"])
    assert len(pipeline.prepare_data(without)) == without["arr_delay"].notna().sum()


@pytest.mark.parametrize("column", ["arr_delay", "time_hour", "sched_dep_time"])
def test_missing_column_is_named(pipeline, raw, column):
    with pytest.raises(NameNotFound, match=f"no column '{column}' in data/flights.csv.gz"):
        pipeline.prepare_data(raw.drop(columns=column))
