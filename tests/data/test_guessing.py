"""Rows read while all bytes are looked at: what only a later byte shows changes nothing of what is read."""

import numpy as np
import pandas as pd
import pytest

from lib.data import tables

ROWS = 60_000
# Between two of the samples that show the types.
LATE_ROW = int(0.485 * ROWS)


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(0)
    words = np.array(["red", "green", "blue"])[random.integers(0, 3, ROWS)]
    return pd.DataFrame({"number": random.integers(0, 99, ROWS), "amount": random.random(ROWS).round(9), "word": words})


LATE = {
    "a line break in quotes": ("word", "two\nlines"),
    "a text among whole numbers": ("number", "1e3"),
    "a decimal among whole numbers": ("number", "0.5"),
    "a sign beyond ASCII": ("word", "grün"),
    "a word among decimals": ("amount", "unknown"),
}


@pytest.mark.parametrize("late", LATE)
def test_what_comes_late_is_read_as_if_it_came_first(frame, late, tmp_path):
    name, value = LATE[late]
    changed = {}
    for place in (LATE_ROW, 0):
        written = frame.astype({name: object})
        written.loc[place, name] = value
        written.to_csv(tmp_path / f"{place}.csv", index=False)
        changed[place] = tables.read(tmp_path / f"{place}.csv", arrow_texts=True).astype({name: object})
    others = [one.drop(index=[0, LATE_ROW]) for one in changed.values()]
    pd.testing.assert_frame_equal(*others, check_dtype=False, check_categorical=False)
    late_one, first_one = changed[LATE_ROW].loc[LATE_ROW, name], changed[0].loc[0, name]
    assert late_one == first_one or (pd.isna(late_one) and pd.isna(first_one))


@pytest.mark.parametrize("late", ["encoding", "too long", "quote"])
def test_what_cannot_be_read_is_told_by_its_line(frame, late, tmp_path):
    text = frame.to_csv(index=False).splitlines(keepends=True)
    wrong = {"encoding": b"1,0.5,\x81\n", "too long": b"1,0.5,red,,1\n", "quote": b'1,0.5,"red\n'}[late]
    file = tmp_path / "table.csv"
    file.write_bytes("".join(text[:58_000]).encode() + wrong + "".join(text[58_000:]).encode())
    with pytest.raises(tables.DataError, match="line 58,?001"):
        tables.read(file)


def test_a_second_file_of_another_dialect_is_read_as_it_is(frame, tmp_path):
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",")
    frame.to_csv(tmp_path / "c.csv", index=False, encoding="utf-16")
    read = tables.read([tmp_path / "a.csv", tmp_path / "c.csv"])
    pd.testing.assert_frame_equal(read, pd.concat([frame, frame], ignore_index=True), check_dtype=False)
    assert "UTF-16" in read.attrs[tables.NOTES][0]


@pytest.mark.parametrize("order", [("full", "empty"), ("empty", "full")])
def test_a_file_of_a_header_alone_adds_no_row(frame, order, tmp_path):
    frame.to_csv(tmp_path / "full.csv", index=False)
    frame.head(0).to_csv(tmp_path / "empty.csv", index=False)
    read = tables.read([tmp_path / f"{name}.csv" for name in order])
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)


@pytest.mark.parametrize("row", ["3\n", '3,"one\nline"\n'])
def test_a_value_may_be_longer_than_a_block(row, tmp_path):
    long = "x" * 3_000_000
    (tmp_path / "table.csv").write_text(f"number,word\n1,{long}\n2,short\n{row}")
    read = tables.read(tmp_path / "table.csv")
    assert read["number"].tolist() == [1, 2, 3] and read["word"].tolist()[:2] == [long, "short"]
