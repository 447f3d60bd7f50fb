"""Partitions of a table: each has the types and notes of the whole."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import DataError
from lib.tables import frames
from lib.tables.files.partitions import list_partitions


@pytest.mark.parametrize("code", ["00501", "12345678901234567890"])
def test_columns_of_numeric_codes_are_refused(tmp_path, code):
    (tmp_path / "a.csv").write_text("x,code\n" + f"1,{code}\n2,4\n" * 9)
    with pytest.raises(DataError, match="a.csv: code contain codes such as 00501 or numbers with too many digits"):
        list_partitions(str(tmp_path / "a.csv"), tmp_path / "parts")


def test_large_floats_are_numbers(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1e300\n0.5\n")
    (partition,) = list_partitions(str(tmp_path / "a.csv"), tmp_path / "parts")
    assert partition.read()["x"].tolist() == [1e300, 0.5]


@pytest.mark.parametrize("values", ["5%,7%", '"1,5","0,25"', "n.a.,5"])
def test_formatted_numbers_are_refused(tmp_path, values):
    first, second = ('"1,5"', '"0,25"') if '"' in values else values.split(",")
    (tmp_path / "a.csv").write_text("x,rate\n" + f"1,{second}\n" * 19 + f"2,{first}\n")
    with pytest.raises(DataError, match="a.csv: rate contain numbers with units, decimal commas or missing codes"):
        list_partitions(str(tmp_path / "a.csv"), tmp_path / "parts")


def test_words_and_dates_stay_text(tmp_path):
    (tmp_path / "a.csv").write_text("x,word,day\n" + "1,red 5,2021-05-01\n2,blue,2021-05-02\n" * 9)
    (partition,) = list_partitions(str(tmp_path / "a.csv"), tmp_path / "parts")
    assert partition.read().dtypes.astype(str).tolist() == ["int64", "object", "object"]


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
    partitions = list_partitions(str(tmp_path), tmp_path / "parts")
    parts = [partition.read(exclude=["extra"]) for partition in partitions]
    whole = frames.read(sorted(tmp_path.rglob("*.parquet")), exclude=["extra"])
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    assert len(parts) == 4 and whole["year"].tolist() == [2023, 2023, 2024, 2024]
    assert parts[0].attrs[frames.NOTES] == ["list is left out: its cells contain several values."]
    assert parts[0].attrs[frames.NOTES][0] in whole.attrs[frames.NOTES]
