"""Reading in one pass with dialect detection: surprises late in a file lead to the same result."""

import numpy as np
import pandas as pd
import pytest

from lib.tables import frames

ROWS = 60_000
# Between two of the samples from which the types are inferred.
LATE_ROW = int(0.485 * ROWS)


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(0)
    words = np.array(["red", "green", "blue"])[random.integers(0, 3, ROWS)]
    return pd.DataFrame({"number": random.integers(0, 99, ROWS), "amount": random.random(ROWS).round(9), "word": words})


SURPRISES = {
    "a line break in quotes": ("word", "two\nlines"),
    "a float in exponent notation among integers": ("number", "1e3"),
    "a float among integers": ("number", "0.5"),
    "a non-ASCII character": ("word", "grün"),
    "a word among floats": ("amount", "unknown"),
}


@pytest.mark.parametrize("surprise", SURPRISES)
def test_late_surprises_are_read_like_early_ones(frame, surprise, tmp_path):
    name, value = SURPRISES[surprise]
    tables = {}
    for row in (LATE_ROW, 0):
        written = frame.astype({name: object})
        written.loc[row, name] = value
        written.to_csv(tmp_path / f"{row}.csv", index=False)
        tables[row] = frames.read(tmp_path / f"{row}.csv", arrow_strings=True).astype({name: object})
    other_rows = [read.drop(index=[0, LATE_ROW]) for read in tables.values()]
    pd.testing.assert_frame_equal(*other_rows, check_dtype=False, check_categorical=False)
    late, early = tables[LATE_ROW].loc[LATE_ROW, name], tables[0].loc[0, name]
    assert late == early or (pd.isna(late) and pd.isna(early))


@pytest.mark.parametrize("fault", ["encoding", "too long", "quote"])
def test_faults_are_reported_with_their_line(frame, fault, tmp_path):
    text = frame.to_csv(index=False).splitlines(keepends=True)
    faulty_line = {"encoding": b"1,0.5,\x81\n", "too long": b"1,0.5,red,,1\n", "quote": b'1,0.5,"red\n'}[fault]
    file = tmp_path / "table.csv"
    file.write_bytes("".join(text[:58_000]).encode() + faulty_line + "".join(text[58_000:]).encode())
    with pytest.raises(frames.DataError, match="line 58,?001"):
        frames.read(file)


def test_each_file_may_have_its_own_dialect(frame, tmp_path):
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",")
    frame.to_csv(tmp_path / "c.csv", index=False, encoding="utf-16")
    read = frames.read([tmp_path / "a.csv", tmp_path / "c.csv"])
    pd.testing.assert_frame_equal(read, pd.concat([frame, frame], ignore_index=True), check_dtype=False)
    assert "UTF-16" in read.attrs[frames.NOTES][0]


@pytest.mark.parametrize("order", [("full", "empty"), ("empty", "full")])
def test_a_file_with_only_a_header_adds_no_rows(frame, order, tmp_path):
    frame.to_csv(tmp_path / "full.csv", index=False)
    frame.head(0).to_csv(tmp_path / "empty.csv", index=False)
    read = frames.read([tmp_path / f"{name}.csv" for name in order])
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)


@pytest.mark.parametrize("row", ["3\n", '3,"one\nline"\n'])
def test_values_may_be_longer_than_a_block(row, tmp_path):
    long = "x" * 3_000_000
    (tmp_path / "table.csv").write_text(f"number,word\n1,{long}\n2,short\n{row}")
    read = frames.read(tmp_path / "table.csv")
    assert read["number"].tolist() == [1, 2, 3] and read["word"].tolist()[:2] == [long, "short"]
