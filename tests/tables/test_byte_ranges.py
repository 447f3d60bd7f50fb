"""A file read in ranges yields the rows of Python's csv module, or is refused."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.tables.detect.byte_scanner import TextScan
from lib.tables.detect.dialect import Dialect
from lib.tables.files import byte_ranges

KEYS = ["0", "1"]
TEXT_TYPES = dict.fromkeys(KEYS, pa.string())


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("ranges") / "table.csv"


@pytest.fixture(scope="module", autouse=True)
def short_ranges():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_ranges, "_MIN_RANGE_BYTES", 1)
        patch.setattr(byte_ranges, "_MIN_RANGE_BYTES_PER_COLUMN", 0)
        yield


def read(file, text):
    """Return the rows read in ranges of a few lines, or None if ranges are refused."""
    file.write_text(f"a,b\n{text}", newline="")
    scan = TextScan(None, has_balanced_quotes=True, has_quoted_line_breaks=False, may_have_leading_zeros=False)
    try:
        table, _ = byte_ranges.read(file, Dialect("utf-8", ",", ["a", "b"], 0, 0, scan), KEYS, TEXT_TYPES)
    except pa.ArrowInvalid:
        return None
    return [[value or "" for value in row.values()] for row in table.to_pylist()]


@given(st.lists(st.sampled_from(["x", ",", '"', "\n", "\r\n", "x,x\n", 'x,"x"\n', '"x,'])).map("".join))
@example('x,"x\nx,x"\nx,x\n')  # the line break ends a range, and each line alone is a valid row
@example('5" x,"x\nx,x"\nx,x\n')  # the number of quotes is even
@example('x,"x""\nx,x"\n')
@example('x,x\nx,"x\n')
@example('x,x\nx,"x')
def test_rows_equal_those_of_the_csv_module(file, text):
    rows = read(file, text)
    assert rows is None or rows == list(filter(None, csv.reader(io.StringIO(text, newline=""))))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_empty_lines_and_quotes_within_values_are_read(file, end):
    lines = ["x,y", "", "", '5" x,y', 'x,"y, ""z"""', "", "x,y"]
    assert read(file, end.join(lines)) == [["x", "y"], ['5" x', "y"], ["x", 'y, "z"'], ["x", "y"]]


def test_a_value_with_a_line_break_is_refused_anywhere(file):
    for index in range(8):
        lines = ["x,y\n"] * 8
        lines[index] = 'x,"y\ny"\n'
        assert read(file, "".join(lines)) is None
