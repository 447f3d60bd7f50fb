"""Parquet as others write it: types that no text has, folders of files that differ, folders that name values."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.data import contract, profile, proposal, sources, tables, violations
from lib.errors import DataError

ROWS = 40
DAYS = [datetime.date(2024, 1, 1 + place % 28) for place in range(ROWS)]


def table(**columns):
    x = np.random.default_rng(0).normal(size=ROWS)
    return pa.table({"x": x, "y": ["a", "b"] * (ROWS // 2), **columns})


def folder(path, **tables_):
    for name, one in tables_.items():
        file = path / name.replace("__", "=").replace("_", "/") / "part.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(one, file)
    return sources.read(str(path))


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([[1, 2]] * ROWS, "several values"),
        ([{"a": 1}] * ROWS, "several values"),
        ([b"\xff"] * ROWS, "bytes that are no text"),
    ],
)
def test_cells_that_are_no_single_value_are_left_out_and_told(tmp_path, cells, why):
    pq.write_table(table(n=cells), tmp_path / "t.parquet")
    frame = tables.read(tmp_path / "t.parquet")
    assert list(frame) == ["x", "y"] and frame.attrs[tables.NOTES] == [f"n is left out: its cells hold {why}."]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(2), pa.string_view(), pa.large_string()])
def test_texts_of_any_type_are_texts(tmp_path, kind):
    pq.write_table(table(n=pa.array([b"aa", b"bb"] * (ROWS // 2)).cast(kind)), tmp_path / "t.parquet")
    assert tables.read(tmp_path / "t.parquet")["n"].tolist() == ["aa", "bb"] * (ROWS // 2)


FAR = [datetime.date(9999, 12, 31), *DAYS[1:]]
PERIODS = pd.period_range("2020-01", periods=ROWS, freq="M")
ODD = {
    "dates beyond 2262": pa.array(FAR),
    "moments beyond 2262": pa.array(FAR).cast(pa.timestamp("us")),
    "days without an hour": [*[f"2024-03-{1 + place % 28:02d} 10:00" for place in range(ROWS - 1)], "2024-03-05 24:00"],
    "months": pa.Array.from_pandas(PERIODS),
    "intervals": pa.Array.from_pandas(pd.interval_range(0, ROWS)),
    "clocks": [datetime.time(place % 24) for place in range(ROWS)],
    "spans": [datetime.timedelta(place) for place in range(ROWS)],
}


@pytest.mark.parametrize("kind", ODD)
def test_a_table_keeps_the_contract_that_is_made_of_it(tmp_path, kind):
    pq.write_table(table(n=ODD[kind]), tmp_path / "t.parquet")
    frame = tables.read(tmp_path / "t.parquet")
    proposal.propose(frame, "y")
    contract.write(contract.from_profile(profile.describe(frame)), tmp_path / "c.yaml", "t.parquet", ROWS)
    assert violations.find(frame, contract.load(tmp_path / "c.yaml")).table.empty


def test_more_that_are_no_dates_break_it():
    dates = pd.Series([*["2024-03-01 10:00", "2024-03-02 11:00"] * 30, "2024-03-05 24:00"])
    agreed = contract.from_profile(profile.describe(pd.DataFrame({"when": dates})))
    assert agreed.columns["when"].max_invalid_share == pytest.approx(0.083, abs=0.001)
    worse = pd.concat([dates, pd.Series(["soon"] * 5)], ignore_index=True)
    (rule,) = violations.find(pd.DataFrame({"when": worse}), agreed).table["rule"]
    assert rule == "at most 8.3% may not be a date"


class TestFolders:
    def test_whole_numbers_and_decimals_are_decimals_days_and_moments_are_moments(self, tmp_path):
        days = pa.array(DAYS)
        frame = folder(
            tmp_path,
            a=table(z=pa.array(range(ROWS)), t=days),
            b=table(z=np.arange(ROWS) + 0.5, t=days.cast(pa.timestamp("ms"))),
        )
        assert frame["z"].tail(1).item() == ROWS - 0.5 and frame["t"].dtype.kind == "M"

    def test_a_number_here_and_a_text_there_is_refused_with_both_files(self, tmp_path):
        with pytest.raises(DataError, match=r"z is int64 in .*a/part.parquet and string in .*b/part.parquet"):
            folder(tmp_path, a=table(z=pa.array(range(ROWS))), b=table(z=["1"] * ROWS))

    def test_values_of_folders(self, tmp_path):
        frame = folder(tmp_path, year__2023_plz__01067=table(), year__2024_plz__10115=table())
        assert frame["plz"].dropna().unique().tolist() == ["01067", "10115"]

    def test_a_folder_without_a_value_is_a_missing_one(self, tmp_path):
        for value in ("2023", "__HIVE_DEFAULT_PARTITION__"):
            (tmp_path / f"year={value}").mkdir()
            pq.write_table(table(), tmp_path / f"year={value}" / "part.parquet")
        frame = sources.read(str(tmp_path))
        assert frame["year"].isna().sum() == ROWS and frame["year"].dropna().unique().tolist() == [2023]

    def test_of_text_they_are_told(self, tmp_path):
        (tmp_path / "year=2023").mkdir()
        (tmp_path / "year=2023" / "a.csv").write_text("x,y\n1,2\n")
        notes = sources.read(str(tmp_path)).attrs[tables.NOTES]
        assert "What folders are named by (year) is a column of Parquet files alone." in notes


def test_a_name_twice_is_refused(tmp_path):
    pq.write_table(pa.table([[1], [2]], names=["x", "x"]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="t.parquet has 2 columns 'x'. Rename all but one"):
        tables.read(tmp_path / "t.parquet")
