"""Rows read while all bytes are looked at: what only a later byte shows changes nothing of what is read."""

import numpy as np
import pandas as pd
import pytest

from lib.data import tables

ROWS = 60_000


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


@pytest.mark.parametrize("arrow_texts", [False, True])
@pytest.mark.parametrize("late", LATE)
def test_what_comes_late_is_read_as_if_it_came_first(frame, late, arrow_texts, tmp_path):
    name, value = LATE[late]
    places = (41_234, 0)
    read = []
    for place in places:
        changed = frame.astype({name: object})
        changed.loc[place, name] = value
        changed.to_csv(tmp_path / f"{place}.csv", index=False)
        read.append(tables.read(tmp_path / f"{place}.csv", arrow_texts=arrow_texts))
    one, other = (table.iloc[[*range(1, 41_234), *range(41_235, ROWS)]].reset_index(drop=True) for table in read)
    pd.testing.assert_frame_equal(one.astype(object), other.astype(object))
    assert read[0].loc[places[0], name] == read[1].loc[places[1], name] or pd.isna(read[0].loc[places[0], name])


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
