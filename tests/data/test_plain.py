"""Numbers reach NumPy as Arrow's own way to pandas brings them there, in as little memory as can be."""

import weakref

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lib.data import plain, tables

COLUMNS = {
    "whole": pa.chunked_array([[1, 2], [], [3, -4, 2**53]]),
    "gaps": pa.chunked_array([[1, None, 3], [4, 5]]),
    "decimal": pa.chunked_array([[0.5, None, float("nan")], [float("inf"), -0.0]]),
    "small": pa.chunked_array([pa.array([1, 2, 3, 4, 255], pa.uint8())]),
    "half": pa.chunked_array([pa.array([1, None, 3, 4, 5], pa.float32())]),
    "none": pa.chunked_array([pa.nulls(5, pa.int32())]),
    "text": pa.chunked_array([["a", "b", "c"], [None, "e"]]),
    "truth": pa.chunked_array([[True, None, False, True, True]]),
}


@pytest.mark.parametrize("names", [list(COLUMNS), ["text", "truth"], ["gaps", "text"], ["decimal"]])
def test_a_table_is_the_same_as_pandas_makes_it(names):
    table = pa.table({name: COLUMNS[name] for name in names})
    pd.testing.assert_frame_equal(tables.as_pandas(table), table.to_pandas())


def test_two_columns_of_one_name_stay_two():
    table = pa.table([[1, 2], ["a", "b"], [3, 4]], names=["a", "b", "a"])
    frame = tables.as_pandas(table)
    assert list(frame.columns) == ["a", "b", "a"] and frame.iloc[:, 2].tolist() == [3, 4]


def test_what_is_made_may_be_changed():
    table = pa.table({name: COLUMNS[name] for name in ("whole", "decimal", "small", "half")})
    frame = tables.as_pandas(table)
    for name in frame.columns:
        frame[name].to_numpy()[0] = 9
    assert (frame.iloc[0] == 9).all()


def test_numbers_in_one_piece_stay_where_they_are():
    table = pa.table({"a": [1, 2, 3], "b": [0.5, None, 2.5], "c": [1, None, 3]})[1:]
    addresses = [table[name].chunk(0).buffers()[1].address + 8 for name in ("a", "b")]
    frame = tables.as_pandas(table)
    assert [frame[name].to_numpy().ctypes.data for name in ("a", "b")] == addresses
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [2, 3], "b": [np.nan, 2.5], "c": [np.nan, 3.0]}))


def test_memory_that_is_not_ours_to_change_is_copied():
    kept = np.arange(3).tobytes()
    table = pa.table({"a": pa.Array.from_buffers(pa.int64(), 3, [None, pa.py_buffer(kept)])})
    frame = tables.as_pandas(table)
    frame.loc[0, "a"] = 9
    assert frame["a"].tolist() == [9, 1, 2] and kept == np.arange(3).tobytes()


@pytest.mark.parametrize("shares", [(0.5, 1.0), (1.0, 1.0), (0.01, 1.0)], ids=["as foreseen", "more", "fewer"])
def test_rows_are_gathered_as_they_come(shares):
    random = np.random.default_rng(0)
    numbers = pa.array(random.normal(size=5_000), mask=random.random(5_000) < 0.1)
    first = pa.table({"text": ["a"] * 3, "whole": [1, 2, 3], "number": [0.5, 1.5, float("nan")]})
    second = pa.table({"text": ["b"] * 5_000, "whole": pa.array([2**60, None] * 2_500), "number": numbers})
    gathered = plain.Gathered()
    for rows, share in zip((first, second), shares, strict=True):
        gathered.add(rows, share)
    found = gathered.table()
    assert found["whole"].num_chunks == found["number"].num_chunks == 1
    whole = pa.concat_tables([first, second])
    assert found.select(["text", "whole"]).equals(whole.select(["text", "whole"]))
    assert found["number"].null_count == whole["number"].null_count
    np.testing.assert_array_equal(found["number"].to_numpy(), whole["number"].to_numpy())


def test_rows_without_a_number_are_gathered_too():
    gathered, rows = plain.Gathered(), pa.table({"a": ["x", None], "b": [True, False]})
    for share in (0.5, 1.0):
        gathered.add(rows, share)
    assert gathered.table().equals(pa.concat_tables([rows, rows]))


def test_batches_are_gone_one_by_one():
    parts = [pa.record_batch({"a": np.arange(3) + place}) for place in range(4)]
    alive = [weakref.ref(one) for one in parts]
    arrays = plain.empty(pa.Table.from_batches(parts), without=(), encoded=())
    batches, seen = [*parts], []
    del parts

    class Told(np.ndarray):
        def __setitem__(self, rows, values):
            seen.append(sum(one() is not None for one in alive))
            super().__setitem__(rows, values)

    filled = {0: arrays[0].view(Told)}
    plain.fill(filled, batches)
    assert filled[0].tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5]
    assert batches == [] and seen == [4, 3, 2, 1]
