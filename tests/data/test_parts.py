"""Parts of a table: none is read otherwise than the whole."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.data import tables
from lib.data.partitions import parts
from lib.errors import DataError


@pytest.mark.parametrize("code", ["00501", "12345678901234567890"])
def test_what_would_lose_digits_as_a_number_is_refused(tmp_path, code):
    (tmp_path / "a.csv").write_text("x,code\n" + f"1,{code}\n2,4\n" * 9)
    with pytest.raises(DataError, match="a.csv: code hold codes such as 00501, or numbers of many digits"):
        parts(str(tmp_path / "a.csv"), tmp_path / "parts")


def test_large_decimals_are_numbers(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1e300\n0.5\n")
    (part,) = parts(str(tmp_path / "a.csv"), tmp_path / "parts")
    assert part.read()["x"].tolist() == [1e300, 0.5]


@pytest.mark.parametrize("values", ["5%,7%", '"1,5","0,25"', "n.a.,5"])
def test_numbers_with_marks_are_refused_and_no_texts(tmp_path, values):
    one, other = ('"1,5"', '"0,25"') if '"' in values else values.split(",")
    (tmp_path / "a.csv").write_text("x,rate\n" + f"1,{other}\n" * 19 + f"2,{one}\n")
    with pytest.raises(DataError, match="a.csv: rate hold numbers with marks"):
        parts(str(tmp_path / "a.csv"), tmp_path / "parts")


def test_words_and_codes_stay_texts(tmp_path):
    (tmp_path / "a.csv").write_text("x,word,day\n" + "1,red 5,2021-05-01\n2,blue,2021-05-02\n" * 9)
    (part,) = parts(str(tmp_path / "a.csv"), tmp_path / "parts")
    assert part.read().dtypes.astype(str).tolist() == ["int64", "object", "object"]


def test_of_parquet_a_part_says_what_the_whole_says(tmp_path):
    cells = {
        "number": [1, 2],
        "list": [[1], [2, 3]],
        "octets": pa.array([b"a", b"b"], pa.binary()),
        "extra": [0.5, None],
    }
    for year in (2023, 2024):
        (tmp_path / f"year={year}" / "month=01").mkdir(parents=True)
        pq.write_table(pa.table(cells), tmp_path / f"year={year}" / "month=01" / "rows.parquet", row_group_size=1)
    found = parts(str(tmp_path), tmp_path / "parts")
    frames = [part.read(without=["extra"]) for part in found]
    whole = tables.read(sorted(tmp_path.rglob("*.parquet")), without=["extra"])
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), whole)
    assert len(frames) == 4 and whole["year"].tolist() == [2023, 2023, 2024, 2024]
    assert frames[0].attrs[tables.NOTES] == ["list is left out: its cells hold several values."]
    assert frames[0].attrs[tables.NOTES][0] in whole.attrs[tables.NOTES]
