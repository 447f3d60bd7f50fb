"""Numbers reach NumPy as Arrow's own way to pandas brings them there, and each batch is gone when it was copied."""

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


def test_what_is_made_may_be_changed_and_is_no_copy_of_the_table():
    table = pa.table({"a": [1, 2, 3]})
    frame = tables.as_pandas(table)
    frame.loc[0, "a"] = 9
    assert table["a"].to_pylist() == [1, 2, 3]


def test_batches_are_gone_one_by_one():
    parts = [pa.record_batch({"a": np.arange(3) + place}) for place in range(4)]
    alive = [weakref.ref(one) for one in parts]
    arrays = plain.empty(pa.Table.from_batches(parts))
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
