"""Partitions of a table: each has the types and notes of the whole."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import DataError
from lib.schema.table_schema import TableSchema
from lib.tables import frames
from lib.tables.files import partitions
from lib.tables.files.partitions import list_partitions, read_sample


def read_partitions(path):
    """Return the table read in partitions, by the schema inferred from its first rows."""
    schema = TableSchema.from_dict(read_sample(str(path)).attrs[frames.SCHEMA])
    parts = list_partitions(str(path), path.parent / "parts", schema)
    return pd.concat([part.read() for part in parts], ignore_index=True)


@pytest.mark.parametrize(
    "cells",
    [["00501", "4"], ["12345678901234567890", "4"], ["5%", "7%"], ['"1,5"', '"0,25"'], ["n.a.", "5"], ["1e300", "0.5"]],
    ids=["leading zeros", "long numbers", "percent", "decimal commas", "missing codes", "large numbers"],
)
def test_partitions_have_the_values_of_the_whole_table(tmp_path, cells):
    (tmp_path / "a.csv").write_text("x,value\n" + "".join(f"1,{cells[1]}\n" * 19 + f"2,{cells[0]}\n"))
    pd.testing.assert_frame_equal(read_partitions(tmp_path / "a.csv"), frames.read(tmp_path / "a.csv"))


def test_words_and_dates_stay_text(tmp_path):
    (tmp_path / "a.csv").write_text("x,word,day\n" + "1,red 5,2021-05-01\n2,blue,2021-05-02\n" * 9)
    assert read_partitions(tmp_path / "a.csv").dtypes.astype(str).tolist() == ["int64", "object", "object"]


def test_lines_above_the_header_are_skipped(tmp_path):
    (tmp_path / "a.csv").write_text("Sales of 2024\n\nx,y\n" + "1,2\n" * 9)
    assert list(read_partitions(tmp_path / "a.csv")) == ["x", "y"]


def test_values_that_contradict_the_first_rows_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "_MAX_SAMPLE_BYTES", 100)
    (tmp_path / "a.csv").write_text("x,y\n" + "1,2\n" * 60 + "1.5,2\n")
    with pytest.raises(DataError, match=r"row 61: column 'x' contains 1.5; expected whole numbers. Set columns: \{x"):
        read_partitions(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("x,y\n" + "1,2\n" * 60 + "many,2\n")
    with pytest.raises(DataError, match="row 61: column 'x': got 'many', expected a whole number"):
        read_partitions(tmp_path / "a.csv")


def test_parquet_partitions_match_the_whole_table(tmp_path):
    cells = {
        "number": [1, 2],
        "list": [[1], [2, 3]],
        "octets": pa.array([b"a", b"b"], pa.binary()),
        "extra": [0.5, None],
    }
    for year in (2023, 2024):
        (tmp_path / f"year={year}" / "month=01").mkdir(parents=True)
        pq.write_table(pa.table(cells), tmp_path / f"year={year}" / "month=01" / "rows.parquet", row_group_size=1)
    listed = list_partitions(str(tmp_path), tmp_path / "parts", TableSchema({}))
    parts = [partition.read(exclude=["extra"]) for partition in listed]
    whole = frames.read(sorted(tmp_path.rglob("*.parquet")), exclude=["extra"])
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    assert len(parts) == 4 and whole["year"].tolist() == [2023, 2023, 2024, 2024]
    assert whole.attrs[frames.NOTES] == ["list is left out: its cells contain several values."]


def test_large_parquet_file_is_sampled_by_its_first_row_group(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "_MAX_SAMPLE_BYTES", 10)
    table = pd.DataFrame({"x": [1, 2, 3, 4], "code": ["007", "008", "x", "y"]})
    table.to_parquet(tmp_path / "a.parquet", row_group_size=2)
    sample = read_sample(str(tmp_path / "a.parquet"), exclude=["x"])
    assert sample["code"].tolist() == ["007", "008"] and sample.attrs[frames.UNREAD] == ["x"]


def test_files_get_the_types_of_all_files(tmp_path):
    pd.DataFrame({"x": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"x": [0.5], "y": ["z"]}).to_parquet(tmp_path / "b.parquet")
    parts = [part.read() for part in list_partitions(str(tmp_path), tmp_path / "parts", TableSchema({}))]
    assert [part["x"].tolist() for part in parts] == [[1.0, 2.0], [0.5]]
    assert parts[0]["x"].dtype == float and parts[0]["y"].tolist() == [None, None]
