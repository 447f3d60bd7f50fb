"""Column names in parameters against the header of the table."""

import gzip

import pandas as pd
import pytest

from lib.chain import header
from lib.parameters import Parameters
from lib.paths import ROOT


@pytest.fixture
def faults(tmp_path):
    """Column faults of a table with the columns ``id``, ``when``, ``colour`` and ``price``."""
    table = tmp_path / "table.csv"
    table.write_text("id,when,colour,price\n1,2024-01-01,red,2.5\n2,2024-01-02,blue,3.5\n")

    def check(**values):
        given = {
            "data": str(table),
            "encoding": "",
            "pipeline": "base",
            "target_column": "price",
            "drop_columns": [],
            "key_columns": [],
            "time_column": "",
            "split": "hash",
        }
        return header.find_column_faults(Parameters({**given, **values}))

    return check


def test_known_columns_have_no_faults(faults):
    assert faults(drop_columns=["id"], key_columns=["colour"], split="time", time_column="when") == []


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        ({"target_column": "prise"}, "target_column"),
        ({"drop_columns": ["id", "prise"]}, "drop_columns"),
        ({"key_columns": ["prise"]}, "key_columns"),
        ({"split": "time", "time_column": "prise"}, "time_column"),
    ],
)
def test_unknown_columns_are_named_with_the_nearest(faults, values, parameter):
    (fault,) = faults(**values)
    assert fault.startswith(f"{parameter}: ") and "has no column 'prise'. Did you mean 'price'?" in fault


def test_time_column_of_another_split_is_not_checked(faults):
    assert faults(time_column="prise") == []


def test_columns_that_prepare_data_may_make_are_not_checked(faults):
    derived = {"target_column": "late", "key_columns": ["late"], "split": "time", "time_column": "late"}
    assert faults(pipeline="flights", **derived) == []
    assert len(faults(pipeline="flights", drop_columns=["late"])) == 1


class TestReadHeader:
    @pytest.mark.parametrize("data", ["postgresql://host/shop#customers", "https://example.org/table.csv", "none.csv"])
    def test_remote_and_missing_tables_are_not_read(self, data):
        assert header.read_header(data) is None

    def test_separator_title_and_compression_are_detected(self, tmp_path):
        path = tmp_path / "table.csv.gz"
        path.write_bytes(gzip.compress(b"a;b ;c\n1;2;3\n4;5;6\n7;8;9\n"))
        assert header.read_header(str(path)) == ["a", "b", "c"]

    def test_parquet_columns_include_those_of_folder_names(self, tmp_path):
        for year in (2023, 2024):
            folder = tmp_path / "sales" / f"year={year}"
            folder.mkdir(parents=True)
            pd.DataFrame({"price": [1.0]}).to_parquet(folder / "part.parquet")
        assert header.read_header(str(tmp_path / "sales")) == ["price", "year"]

    def test_repeated_names_are_left_to_reading(self, tmp_path):
        path = tmp_path / "table.csv"
        path.write_text("a,a,b\n1,2,3\n4,5,6\n7,8,9\n")
        assert header.read_header(str(path)) is None

    @pytest.mark.parametrize("data", ["data/flights.csv.gz", "data/penguins_raw.csv", "data/bike_hours.csv"])
    def test_bundled_tables_can_be_read(self, data):
        assert len(header.read_header(data)) == len(pd.read_csv(ROOT / data, nrows=1).columns)
