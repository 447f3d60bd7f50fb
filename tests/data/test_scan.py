"""The look at every byte: what it must see wherever it stands."""

import io
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.data.scan import Look, scan

CODE = re.compile(r"(^|[,;\t|\n\r\"' +])0[0-9xX]")


def looked_at(text):
    return scan(io.BytesIO(text.encode()), Path("table.csv"))


@given(st.text(alphabet='a0x1.,;|"\n\t -:', max_size=200))
@example("0012")
@example("a,0x1F")
@example("x" * 127 + ",00501")
def test_no_code_is_overlooked(text):
    assert not CODE.search(text) or looked_at(text).may_have_codes


@pytest.mark.parametrize("value", ["2021-05-01", "10:05:03", "1.005", "-0.5", "S00501", "100", "0", "0.07", "1e-07"])
def test_what_is_no_code_is_not_taken_for_one(value):
    assert not looked_at(f"a,b\n{value},{value}\n" * 50).may_have_codes


@pytest.mark.parametrize("length", [0, 1, 60, 63, 64, 1000, 131_060, 131_072, 300_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_quoted_line_break_is_seen_wherever_it_stands(length, end):
    begin = "a,b\n" + "x" * length + ",1\n"
    assert looked_at(f'{begin}"one{end}two",2\n').has_breaks
    assert not looked_at(f'{begin}"one two",2{end}').has_breaks


def test_quotes_in_quotes_and_an_open_one():
    assert looked_at('a\n"one ""two"" three"\n').is_balanced
    assert not looked_at('a\n"one\n').is_balanced


def test_codes_are_seen_in_every_block_and_what_is_no_utf8_is_refused():
    look = Look()
    assert look.may_have_codes(memoryview(b"a\n1\n" * 100_000)) is False
    assert look.may_have_codes(memoryview(b'a\n"1"\n' * 100_000 + b"01\n")) is True
    for late in (b"\xff\n", b"\0\n"):
        assert look.may_have_codes(memoryview(b"a\n1\n" * 100_000 + late + b"1\n" * 100_000)) is None


@pytest.mark.parametrize("before", range(3))
def test_a_line_longer_than_a_block_is_not_cut_in_the_midst_of_a_sign(before):
    assert looked_at("a\n" + "x" * before + "中" * 500_000 + "\n").strange is None
    assert looked_at("é").strange is None
