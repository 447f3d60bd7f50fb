"""The file that `score` writes: types, columns and files of the table, and what is printed about them."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lib.commands import _scored_file
from tests import workspaces
from tests.commands.test_score_command import score
from tests.workspaces import table

# Fixtures.
copy_after = workspaces.copy_after
quick = workspaces.quick
with_champion = workspaces.with_champion
pytestmark = pytest.mark.usefixtures("quick")


def write(path, *tables):
    with _scored_file.writer(path) as append:
        for part in tables:
            append(pa.table(part))
    return path


def test_whole_numbers_stay_whole_beside_fractions_and_missing_values(tmp_path):
    parts = [{"n": [1, 2]}, {"n": [3.0, 2.5]}, {"n": pa.array([4.0, None])}, {"n": pa.array([None, 5])}]
    out = write(tmp_path / "out.csv", *parts)
    assert out.read_text().split() == ["n", "1", "2", "3", "2.5", "4", '""', '""', "5"]


def test_column_that_is_empty_at_first_gets_its_type(tmp_path):
    parts = [{"text": pa.nulls(2), "n": [1, 2]}, {"text": ["x", None], "n": [3, 4]}]
    assert write(tmp_path / "out.csv", *parts).read_text() == "text,n\n,1\n,2\nx,3\n,4\n"
    frame = pd.read_parquet(write(tmp_path / "out.parquet", *parts))
    assert frame["text"].tolist() == [None, None, "x", None] and frame["n"].dtype == "int64"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_of_files_are_matched_by_name(tmp_path, suffix):
    out = write(tmp_path / f"out.{suffix}", {"a": [1], "b": ["x"]}, {"b": ["y"], "a": [2]}, {"a": [3], "c": [0.5]})
    frame = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    assert frame["a"].tolist() == [1, 2, 3] and frame["b"].tolist()[:2] == ["x", "y"]
    assert frame["c"].isna().tolist() == [True, True, False]


def test_types_without_a_common_one_become_text(tmp_path):
    frame = pd.read_parquet(write(tmp_path / "out.parquet", {"a": [1]}, {"a": ["x"]}))
    assert frame["a"].tolist() == ["1", "x"]


def test_times_are_written_alike_in_every_part(tmp_path):
    midnight, noon = datetime.datetime(2024, 7, 1), datetime.datetime(2024, 7, 1, 12, 0, 0, 500)
    times = [pa.array([midnight], pa.timestamp("us")), pa.array([noon], pa.timestamp("us"))]
    out = write(tmp_path / "out.csv", *({"t": part} for part in times))
    assert out.read_text() == "t\n2024-07-01 00:00:00\n2024-07-01 12:00:00.000500\n"
    zoned = pa.array([midnight, None, datetime.datetime(2040, 7, 1)], pa.timestamp("us", tz="Europe/Berlin"))
    out = write(tmp_path / "zoned.csv", {"t": zoned, "n": [1, 2, 3]})
    assert out.read_text() == "t,n\n2024-07-01 02:00:00+02:00,1\n,2\n2040-07-01 02:00:00+02:00,3\n"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_error_leaves_no_file(tmp_path, suffix):
    with pytest.raises(ZeroDivisionError), _scored_file.writer(tmp_path / f"out.{suffix}") as append:
        append(pa.table({"a": [1]}))
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.fixture
def folder(tmp_path):
    """A folder of three files: one lacks a column that the model does not need, and one orders them differently."""
    folder = tmp_path / "days"
    (folder / "late").mkdir(parents=True)
    rows = table(rows=60, seed=5).drop(columns=["bought", "price"]).assign(id=range(60))
    rows[:20].to_csv(folder / "a.csv", index=False)
    rows[20:40].drop(columns="id").to_csv(folder / "b.csv", index=False)
    rows[40:][["id", "colour", "size", "luck"]].to_csv(folder / "late" / "c.csv", index=False)
    return folder


@pytest.mark.parametrize(("pattern", "suffix"), [("", "csv"), ("/**/*.csv", "parquet"), ("/*.csv", "csv")])
def test_folder_and_patterns_are_scored_file_by_file(with_champion, folder, tmp_path, pattern, suffix, capsys):
    out = tmp_path / f"out.{suffix}"
    assert score(with_champion, f"{folder}{pattern}", out) == 0, capsys.readouterr().err
    scored = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    names = ["a.csv"] * 20 + ["b.csv"] * 20 + ([] if pattern == "/*.csv" else ["late/c.csv"] * 20)
    assert scored["file"].tolist() == names and scored["row"].tolist() == [*range(1, 21)] * (len(names) // 20)
    assert scored["fault"].isna().all() and scored["prediction"].notna().all()
    assert scored["id"].dropna().astype(int).tolist() == [*range(20), *range(40, len(names) if len(names) > 40 else 40)]
    assert np.allclose(scored["size"], table(rows=60, seed=5)["size"][: len(names)])


def test_answers_keep_their_names_beside_equal_columns(with_champion, tmp_path, capsys):
    rows = table(rows=20, seed=5).assign(prediction="old", row=7, fault="none", prediction_="older")
    rows.to_csv(tmp_path / "new.csv", index=False)
    assert score(with_champion, tmp_path / "new.csv", tmp_path / "out.csv") == 0
    scored = pd.read_csv(tmp_path / "out.csv")
    assert set(scored["prediction"]) <= {"yes", "no"} and scored["row"].tolist() == [*range(1, 21)]
    assert set(scored["prediction_"]) == {"older"} and set(scored["prediction__"]) == {"old"}
    assert set(scored["row_"]) == {7} and scored["fault"].isna().all()
    assert "the column 'prediction' is written as 'prediction__'" in capsys.readouterr().out


def test_padded_and_shortened_rows_are_told_once_for_all_files(with_champion, tmp_path, capsys):
    (tmp_path / "days").mkdir()
    for day in range(3):
        rows = table(rows=20, seed=day)[["size", "colour", "luck"]].fillna({"luck": 0.5})
        lines = rows.to_csv(index=False).splitlines()
        lines[3 + day] = lines[3 + day].rpartition(",")[0]
        (tmp_path / "days" / f"{day}.csv").write_text("\n".join(lines) + "\n")
    assert score(with_champion, tmp_path / "days", tmp_path / "out.csv") == 0
    output = capsys.readouterr().out
    note = (
        "0.csv: Line 4 has 2 fields, expected 3: the missing last fields are read as empty. The same applies to 2 more "
        "files."
    )
    assert note in output and output.count("the missing last fields") == 1
