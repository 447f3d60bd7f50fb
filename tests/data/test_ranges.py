"""A file read in ranges: all rows that Python's csv finds in it as a whole, or none."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.data import ranges
from lib.data.dialect import Dialect
from lib.data.scan import Scan

PLACES = ["0", "1"]
AS_TEXT = dict.fromkeys(PLACES, pa.string())


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("ranges") / "table.csv"


@pytest.fixture(scope="module", autouse=True)
def short_ranges():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_LEAST_RANGE_BYTES", 1)
        patch.setattr(ranges, "_RANGE_BYTES_PER_COLUMN", 0)
        yield


def read(file, text):
    """Rows that are read in ranges of a few lines; None where ranges are refused."""
    file.write_text(f"a,b\n{text}", newline="")
    plain = Scan(strange=None, is_balanced=True, has_breaks=False, may_have_codes=False)
    try:
        table, _ = ranges.read(file, Dialect("utf-8", ",", ["a", "b"], 0, 0, plain), PLACES, AS_TEXT)
    except pa.ArrowInvalid:
        return None
    return [[value or "" for value in row.values()] for row in table.to_pylist()]


@given(st.lists(st.sampled_from(["x", ",", '"', "\n", "\r\n", "x,x\n", 'x,"x"\n', '"x,'])).map("".join))
@example('x,"x\nx,x"\nx,x\n')  # the break is where a range ends, and each line is a row by itself
@example('5" x,"x\nx,x"\nx,x\n')  # whose quotes are even
@example('x,"x""\nx,x"\n')
@example('x,x\nx,"x\n')
@example('x,x\nx,"x')
def test_rows_are_those_of_the_whole_file(file, text):
    rows = read(file, text)
    assert rows is None or rows == list(filter(None, csv.reader(io.StringIO(text, newline=""))))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_empty_lines_and_quotes_in_a_value_are_no_reason_to_refuse(file, end):
    lines = ["x,y", "", "", '5" x,y', 'x,"y, ""z"""', "", "x,y"]
    assert read(file, end.join(lines)) == [["x", "y"], ['5" x', "y"], ["x", 'y, "z"'], ["x", "y"]]


def test_a_value_with_a_line_break_is_refused_wherever_it_stands(file):
    for place in range(8):
        lines = ["x,y\n"] * 8
        lines[place] = 'x,"y\ny"\n'
        assert read(file, "".join(lines)) is None
