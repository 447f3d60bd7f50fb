"""Dates, durations and ordered categories in a file that is read by its schema."""

import pyarrow as pa
import pyarrow.csv
import pytest

from lib.schema.column_parsing import parse_texts
from lib.schema.missing_codes import NULL_STRINGS
from lib.schema.table_schema import ColumnSchema


@pytest.mark.parametrize(
    ("column", "valid", "invalid"),
    [
        (
            ColumnSchema("a", "datetime", date_format="%d.%m.%Y"),
            ["31.12.2023", "2023-12-31", None],
            ["12/31/2023", "x"],
        ),
        (ColumnSchema("a", "datetime", date_format="%d.%m.%Y", missing_values=("x",)), ["x"], ["30.02.2023"]),
        (ColumnSchema("a", "duration"), ["01:30", "PT5S", "90", None], ["soon", "1:75"]),
        (ColumnSchema("a", "ordered", order=("caf\u00e9", "bar")), ["cafe\u0301", " bar", None], ["pub"]),
    ],
)
def test_values_that_do_not_fit_are_found(column, valid, invalid):
    parsed = parse_texts(pa.chunked_array([[*valid, *invalid]]), column)
    assert parsed.is_invalid.fill_null(False).to_pylist() == [False] * len(valid) + [True] * len(invalid)
    assert parsed.values.to_pylist()[len(valid) :] == [None] * len(invalid)


def test_known_missing_values_are_not_faults():
    column = ColumnSchema("a", "datetime", date_format="%d.%m.%Y", missing_values=("unknown",))
    parsed = parse_texts(pa.chunked_array([["unknown", " unknown ", "n/a"]]), column)
    assert parsed.values.to_pylist() == [None] * 3 and not any(parsed.is_invalid.fill_null(False).to_pylist())


def test_null_strings_are_those_of_the_reader():
    assert {*NULL_STRINGS} == {*pyarrow.csv.ConvertOptions().null_values, r"\N"}
