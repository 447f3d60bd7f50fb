"""The schema of the prepared table: unchanged columns keep theirs, changed and new ones are inferred."""

import datetime

import numpy as np
import pandas as pd
import pytest

from lib.schema.table_schema import ColumnSchema, TableSchema
from lib.tables import cleaning
from lib.tables.feature_schema import derive_feature_schema

RAW = TableSchema(
    {
        column.name: column
        for column in (
            ColumnSchema("zip", "code", missing_values=("000",)),
            ColumnSchema("weight", "number", unit="kg", whole=True),
            ColumnSchema("size", "ordered", order=("S", "M")),
            ColumnSchema("since", "datetime", date_format="%d/%m/%Y"),
            ColumnSchema("member", "boolean"),
            ColumnSchema("took", "duration"),
        )
    }
)
UNCHANGED = {
    "zip": ["57", "58"],
    "weight": [70, 71],
    "size": ["S", None],
    "since": ["13/12/2023", "01/02/2024"],
    "member": [True, False],
    "took": ["01:00", "02:00"],
}


def derive(changes, **options):
    frame = pd.DataFrame({**UNCHANGED, **changes})
    prepared, kinds = cleaning.to_json_types(frame)
    durations = cleaning.find_durations(kinds)
    return derive_feature_schema(RAW.to_dict(), prepared, durations=durations, **options).columns


def test_unchanged_columns_keep_their_schema():
    assert derive({}) == RAW.columns


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("weight", ["light", "heavy"], "category"),
        ("weight", pd.to_datetime(["2024-01-01", "2024-01-02"]), "datetime"),
        ("size", [1.5, 2.5], "number"),
        ("size", ["S", "XL"], "category"),
        ("since", [2023, 2024], "number"),
        ("since", ["Mon", "Tue"], "category"),
        ("member", ["yes", "no"], "category"),
        ("took", ["short", "long"], "category"),
        ("zip", [0.5, 1.5], "number"),
        ("zip", [True, False], "boolean"),
        ("age", [31, 32], "number"),
        ("arrival", pd.to_timedelta([60, 90], unit="s"), "duration"),
        ("arrival", [datetime.time(7), datetime.time(8)], "duration"),
        ("amount", ["$1,024.50", "7"], "number"),
        ("when", ["13.12.2023", "24.12.2023"], "datetime"),
    ],
)
def test_changed_and_new_columns_are_inferred(name, values, kind):
    assert derive({name: values})[name].kind == kind


def test_datetimes_have_the_zone_and_unit_of_their_values():
    moments = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])).astype("datetime64[us]")
    local = moments.dt.tz_localize("Europe/Berlin")
    columns = derive({"since": moments, "called": local, "day": moments.dt.date})
    assert (columns["since"].time_zone, columns["since"].datetime_unit) == ("", "us")
    assert columns["called"].time_zone == "Europe/Berlin"
    assert columns["day"].date_format == "ISO8601"


def test_durations_converted_to_seconds_stay_durations():
    assert derive({"took": pd.to_timedelta([60, 90], unit="s")})["took"].kind == "duration"


def test_month_first_decides_ambiguous_dates_of_new_columns():
    days = [f"{month:02}/{day:02}/2024" for month in range(1, 3) for day in range(1, 2)]
    assert derive({"when": days})["when"].date_format == "%d/%m/%Y"
    assert derive({"when": days}, month_first=True)["when"].date_format == "%m/%d/%Y"


def test_excluded_columns_are_left_out():
    assert "zip" not in derive({}, exclude=["zip"])


def test_table_without_a_schema_is_inferred():
    frame = pd.DataFrame({"x": np.arange(3.0), "y": ["a", "b", "a"]})
    assert [column.kind for column in derive_feature_schema(None, frame).columns.values()] == ["number", "category"]
