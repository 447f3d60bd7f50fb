"""Parquet files of other programs: special types, files with different types, and partitioned folders."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import DataError
from lib.schema.table_schema import TableSchema
from lib.tables import frames, proposal, sources
from lib.tables.quality import contract, contract_file, profile, violations
from lib.tables.schema_source import SchemaSource

ROWS = 40
DAYS = [datetime.date(2024, 1, 1 + row % 28) for row in range(ROWS)]


def table(**columns):
    x = np.random.default_rng(0).normal(size=ROWS)
    return pa.table({"x": x, "y": ["a", "b"] * (ROWS // 2), **columns})


def read_folder(path, **file_tables):
    for name, file_table in file_tables.items():
        file = path / name.replace("__", "=").replace("_", "/") / "part.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(file_table, file)
    return sources.read(str(path))


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([[1, 2]] * ROWS, "several values"),
        ([{"a": 1}] * ROWS, "several values"),
        ([b"\xff"] * ROWS, "bytes that are not text"),
    ],
)
def test_columns_without_scalar_values_are_left_out(tmp_path, cells, reason):
    pq.write_table(table(n=cells), tmp_path / "t.parquet")
    frame = frames.read(tmp_path / "t.parquet")
    assert list(frame) == ["x", "y"] and frame.attrs[frames.NOTES] == [f"n is left out: its cells contain {reason}."]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(2), pa.string_view(), pa.large_string()])
def test_all_string_and_utf8_types_are_read_as_text(tmp_path, kind):
    pq.write_table(table(n=pa.array([b"aa", b"bb"] * (ROWS // 2)).cast(kind)), tmp_path / "t.parquet")
    assert frames.read(tmp_path / "t.parquet")["n"].tolist() == ["aa", "bb"] * (ROWS // 2)


FAR = [datetime.date(9999, 12, 31), *DAYS[1:]]
PERIODS = pd.period_range("2020-01", periods=ROWS, freq="M")
ODD = {
    "dates beyond 2262": pa.array(FAR),
    "timestamps beyond 2262": pa.array(FAR).cast(pa.timestamp("us")),
    "hour 24": [*[f"2024-03-{1 + row % 28:02d} 10:00" for row in range(ROWS - 1)], "2024-03-05 24:00"],
    "months": pa.Array.from_pandas(PERIODS),
    "intervals": pa.Array.from_pandas(pd.interval_range(0, ROWS)),
    "times of day": [datetime.time(row % 24) for row in range(ROWS)],
    "durations": [datetime.timedelta(row) for row in range(ROWS)],
}


@pytest.mark.parametrize("kind", ODD)
def test_a_table_fulfils_the_contract_made_from_it(tmp_path, kind):
    pq.write_table(table(n=ODD[kind]), tmp_path / "t.parquet")
    frame = frames.read(tmp_path / "t.parquet")
    proposal.propose(frame, "y")
    contract_file.write(contract.from_profile(profile.describe(frame)), tmp_path / "c.yaml", "t.parquet", ROWS)
    assert violations.find(frame, contract_file.load(tmp_path / "c.yaml")).table.empty
    # As in training: with the schema that `init` stored.
    stored = SchemaSource(TableSchema.from_dict(frame.attrs[frames.SCHEMA]))
    again = frames.read(tmp_path / "t.parquet", schema_source=stored)
    assert violations.find(again, contract_file.load(tmp_path / "c.yaml")).table.empty


def test_times_of_day_are_texts_as_in_text_files(tmp_path):
    times = [datetime.time(8, 30), None, datetime.time(9, 0, 1, 250000), *[datetime.time(0)] * (ROWS - 3)]
    pq.write_table(table(seconds=pa.array(times[:1] * ROWS, pa.time32("s")), n=times), tmp_path / "t.parquet")
    frame = frames.read(tmp_path / "t.parquet")
    assert frame["n"].tolist()[:4] == ["08:30:00", None, "09:00:01.250000", "00:00:00"]
    assert set(frame["seconds"]) == {"08:30:00"}


def test_additional_invalid_dates_violate_the_contract():
    dates = pd.Series([*["2024-03-01 10:00", "2024-03-02 11:00"] * 300, "2024-03-05 24:00"])
    agreed = contract.from_profile(profile.describe(pd.DataFrame({"when": dates})))
    assert agreed.columns["when"].max_invalid_share == 0.054
    worse = pd.concat([dates, pd.Series(["soon"] * 40)], ignore_index=True)
    found = violations.find(pd.DataFrame({"when": worse}), agreed).table
    assert found["rule"].tolist() == ["must be a date (at most 5.40% may not be)"]
    assert found["rows"].tolist() == [41] and "'soon'" in found["examples"][0]


class TestFolders:
    def test_types_are_promoted_to_floats_and_timestamps(self, tmp_path):
        days = pa.array(DAYS)
        frame = read_folder(
            tmp_path,
            a=table(z=pa.array(range(ROWS)), t=days),
            b=table(z=np.arange(ROWS) + 0.5, t=days.cast(pa.timestamp("ms"))),
        )
        assert frame["z"].tail(1).item() == ROWS - 0.5 and frame["t"].dtype.kind == "M"

    def test_conflicting_types_name_both_files(self, tmp_path):
        with pytest.raises(DataError, match=r"Column 'z' is int64 in .*a/part.parquet but string in .*b/part.parquet"):
            read_folder(tmp_path, a=table(z=pa.array(range(ROWS))), b=table(z=["1"] * ROWS))

    def test_partition_values_with_leading_zeros_are_text(self, tmp_path):
        frame = read_folder(tmp_path, year__2023_plz__01067=table(), year__2024_plz__10115=table())
        assert frame["plz"].dropna().unique().tolist() == ["01067", "10115"]

    def test_the_null_partition_is_missing(self, tmp_path):
        for value in ("2023", "__HIVE_DEFAULT_PARTITION__"):
            (tmp_path / f"year={value}").mkdir()
            pq.write_table(table(), tmp_path / f"year={value}" / "part.parquet")
        frame = sources.read(str(tmp_path))
        assert frame["year"].isna().sum() == ROWS and frame["year"].dropna().unique().tolist() == [2023]

    def test_a_note_says_that_text_files_ignore_folder_names(self, tmp_path):
        (tmp_path / "year=2023").mkdir()
        (tmp_path / "year=2023" / "a.csv").write_text("x,y\n1,2\n")
        notes = sources.read(str(tmp_path)).attrs[frames.NOTES]
        assert "Folder names (year) become columns of Parquet files only, not of text files." in notes


def test_a_repeated_column_name_is_refused(tmp_path):
    pq.write_table(pa.table([[1], [2]], names=["x", "x"]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="t.parquet has 2 columns named 'x'. Rename all but one"):
        frames.read(tmp_path / "t.parquet")
