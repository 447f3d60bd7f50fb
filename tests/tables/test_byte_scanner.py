"""The scan of every byte finds each property at any position of the file."""

import io
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.tables.detect.byte_scanner import ByteScanner, scan_text

LEADING_ZERO = re.compile(r"(^|[,;\t|\n\r\"' +])0[0-9xX]")


def scan(text):
    return scan_text(io.BytesIO(text.encode()), Path("table.csv"))


@given(st.text(alphabet='a0x1.,;|"\n\t -:', max_size=200))
@example("0012")
@example("a,0x1F")
@example("x" * 127 + ",00501")
def test_every_leading_zero_is_found(text):
    assert not LEADING_ZERO.search(text) or scan(text).may_have_leading_zeros


@pytest.mark.parametrize("value", ["2021-05-01", "10:05:03", "1.005", "-0.5", "S00501", "100", "0", "0.07", "1e-07"])
def test_other_zeros_are_not_leading_zeros(value):
    assert not scan(f"a,b\n{value},{value}\n" * 50).may_have_leading_zeros


@pytest.mark.parametrize("length", [0, 1, 60, 63, 64, 1000, 131_060, 131_072, 300_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_quoted_line_break_is_found_at_any_position(length, end):
    begin = "a,b\n" + "x" * length + ",1\n"
    assert scan(f'{begin}"one{end}two",2\n').has_quoted_line_breaks
    assert not scan(f'{begin}"one two",2{end}').has_quoted_line_breaks


def test_doubled_quotes_are_balanced_and_open_ones_not():
    assert scan('a\n"one ""two"" three"\n').has_balanced_quotes
    assert not scan('a\n"one\n').has_balanced_quotes


def test_scanner_checks_leading_zeros_and_utf8_in_each_block():
    scanner = ByteScanner()
    assert scanner.may_have_leading_zeros(memoryview(b"a\n1\n" * 100_000)) is False
    assert scanner.may_have_leading_zeros(memoryview(b'a\n"1"\n' * 100_000 + b"01\n")) is True
    for late in (b"\xff\n", b"\0\n"):
        assert scanner.may_have_leading_zeros(memoryview(b"a\n1\n" * 100_000 + late + b"1\n" * 100_000)) is None


@pytest.mark.parametrize("before", range(3))
def test_long_lines_are_not_split_within_a_character(before):
    assert scan("a\n" + "x" * before + "中" * 500_000 + "\n").non_utf8 is None
    assert scan("é").non_utf8 is None
