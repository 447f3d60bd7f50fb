"""Datetimes that the parameter file combines from several columns, in every reader."""

import pandas as pd
import pytest

from lib.chain import header
from lib.errors import DataError, NameNotFound
from lib.parameters import Parameters
from lib.parameters.column_checks import column_faults, merged_column_faults
from lib.schema.table_schema import TableSchema
from lib.tables import frames
from lib.tables.files.partitions import list_partitions, read_sample
from lib.tables.schema_source import SchemaSource

PARTS = ["year", "month", "day", "hour"]
SOURCE = SchemaSource(columns={"when": {"from": PARTS}})


def table(rows=30, **columns):
    parts = {"price": [0.5 * row for row in range(rows)], "year": 2024, "month": 2, "day": 29, "hour": range(rows)}
    frame = pd.DataFrame({**parts, **columns})
    return frame.assign(hour=frame["hour"] % 24)


def write(frame, path):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False, row_group_size=10)
    return path


def read_partitions(path, source, folder):
    """Read a table as the Dask engine does, one partition at a time."""
    schema = TableSchema.from_dict(read_sample(str(path), source=source).attrs[frames.SCHEMA])
    return pd.concat(
        [part.read() for part in list_partitions(str(path), folder, schema, parse_parquet=True)], ignore_index=True
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_parts_become_one_datetime_in_every_reader(tmp_path, suffix):
    path = write(table(), tmp_path / f"a.{suffix}")
    frame = frames.read(path, schema_source=SOURCE)
    assert list(frame) == ["price", "when"]
    assert frame["when"].tolist() == [pd.Timestamp(2024, 2, 29, row % 24) for row in range(30)]
    pd.testing.assert_frame_equal(read_partitions(path, SOURCE, tmp_path / "parts"), frame)
    # The stored schema alone says the same.
    stored = TableSchema.from_dict(frame.attrs[frames.SCHEMA])
    pd.testing.assert_frame_equal(frames.read(path, schema_source=SchemaSource(stored)), frame)


@pytest.mark.parametrize("month", ["Feb", "february", "FEB.", "02", "2"])
def test_month_may_be_a_name_or_text(tmp_path, month):
    path = write(table(month=month), tmp_path / "a.csv")
    assert frames.read(path, schema_source=SOURCE)["when"].dt.month.tolist() == [2] * 30


def test_row_with_a_missing_part_has_no_date(tmp_path):
    frame = table()
    frame["day"] = frame["day"].where(frame.index != 3)
    path = write(frame, tmp_path / "a.csv")
    assert frames.read(path, schema_source=SOURCE)["when"].isna().tolist() == [row == 3 for row in range(30)]


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [("day", 31, "day 31"), ("month", 13, "month 13"), ("hour", 25, "hour 25"), ("year", 24, "year 24")],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_impossible_date_is_a_fault_with_row_and_columns(tmp_path, suffix, column, value, shown):
    frame = table()
    frame.loc[4, column] = value
    path = write(frame, tmp_path / f"a.{suffix}")
    with pytest.raises(DataError, match=f"row 5: column 'when': got '.*{shown}.*', expected a date that exists, from"):
        frames.read(path, schema_source=SOURCE)
    with pytest.raises(DataError, match="row 5: column 'when'"):
        read_partitions(path, SOURCE, tmp_path / "parts")


def test_impossible_dates_may_count_as_missing(tmp_path):
    frame = table()
    frame.loc[4, "day"] = 31
    source = SchemaSource(columns={"when": {"from": PARTS, "unreadable_as_missing": True}})
    frame = frames.read(write(frame, tmp_path / "a.csv"), schema_source=source)
    assert frame["when"].isna().sum() == 1
    assert "1 value of when counted as missing, as the schema says." in frame.attrs[frames.NOTES]


def test_unknown_part_is_refused_with_the_nearest_name(tmp_path):
    path = write(table(), tmp_path / "a.csv")
    with pytest.raises(NameNotFound, match="Did you mean 'month'"):
        frames.read(path, schema_source=SchemaSource(columns={"when": {"from": ["year", "mnth"]}}))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"from": "year"}, "expected a list of column names in the order year, month"),
        ({"from": ["year"]}, "from lists 1 of the columns"),
        ({"from": ["year", "year"]}, "lists 'year' twice"),
        ({"from": ["year", "month"], "kind": "number"}, "is a datetime, not a number"),
        ({"from": ["year", "month"], "time_zone": "Europ/Berlin"}, "Did you mean 'Europe/Berlin'"),
    ],
)
def test_wrong_entries_are_faults_before_anything_runs(entries, message):
    (fault,) = column_faults({"when": entries})
    assert fault.startswith("when") and message in fault


@pytest.mark.parametrize("parameter", ["target_column", "time_column", "drop_columns", "key_columns"])
def test_used_up_parts_cannot_be_named_elsewhere(parameter):
    value = "year" if parameter.startswith("t") else ["year"]
    (fault,) = merged_column_faults({"columns": {"when": {"from": PARTS}}, parameter: value})
    assert fault.startswith(f"{parameter}: 'year' becomes part of the column 'when'")


def test_header_check_knows_combined_columns(tmp_path):
    path = write(table(), tmp_path / "a.csv")
    given = {"data": str(path), "pipeline": "base", "target_column": "price", "drop_columns": [], "key_columns": []}
    given |= {"split": "time", "time_column": "when", "columns": {"when": {"from": PARTS}}}
    assert header.find_column_faults(Parameters(given)) == []
    (fault,) = header.find_column_faults(Parameters({**given, "columns": {"when": {"from": ["year", "mont"]}}}))
    assert "has no column 'mont', a part of the date when. Did you mean 'month'?" in fault
    (fault,) = header.find_column_faults(Parameters({**given, "time_column": "wen"}))
    assert fault.startswith("time_column: ") and "Did you mean 'when'?" in fault
