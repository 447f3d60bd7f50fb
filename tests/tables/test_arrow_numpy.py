"""Conversion of Arrow columns to NumPy: the same values as pyarrow's own conversion, in less memory."""

import weakref

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lib.tables.files import arrow_numpy, pandas_conversion

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
def test_frame_equals_the_conversion_by_pyarrow(names):
    table = pa.table({name: COLUMNS[name] for name in names})
    pd.testing.assert_frame_equal(pandas_conversion.arrow_to_pandas(table), table.to_pandas())


def test_columns_with_the_same_name_are_kept():
    table = pa.table([[1, 2], ["a", "b"], [3, 4]], names=["a", "b", "a"])
    frame = pandas_conversion.arrow_to_pandas(table)
    assert list(frame.columns) == ["a", "b", "a"] and frame.iloc[:, 2].tolist() == [3, 4]


def test_converted_columns_are_writable():
    table = pa.table({name: COLUMNS[name] for name in ("whole", "decimal", "small", "half")})
    frame = pandas_conversion.arrow_to_pandas(table)
    for name in frame.columns:
        frame[name].to_numpy()[0] = 9
    assert (frame.iloc[0] == 9).all()


def test_single_chunks_are_not_copied():
    table = pa.table({"a": [1, 2, 3], "b": [0.5, None, 2.5], "c": [1, None, 3]})[1:]
    addresses = [table[name].chunk(0).buffers()[1].address + 8 for name in ("a", "b")]
    frame = pandas_conversion.arrow_to_pandas(table)
    assert [frame[name].to_numpy().ctypes.data for name in ("a", "b")] == addresses
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [2, 3], "b": [np.nan, 2.5], "c": [np.nan, 3.0]}))


def test_read_only_memory_is_copied():
    read_only = np.arange(3).tobytes()
    table = pa.table({"a": pa.Array.from_buffers(pa.int64(), 3, [None, pa.py_buffer(read_only)])})
    frame = pandas_conversion.arrow_to_pandas(table)
    frame.loc[0, "a"] = 9
    assert frame["a"].tolist() == [9, 1, 2] and read_only == np.arange(3).tobytes()


@pytest.mark.parametrize("shares", [(0.5, 1.0), (1.0, 1.0), (0.01, 1.0)], ids=["as estimated", "more", "fewer"])
def test_accumulated_rows_equal_the_appended_ones(shares):
    random = np.random.default_rng(0)
    numbers = pa.array(random.normal(size=5_000), mask=random.random(5_000) < 0.1)
    first = pa.table({"text": ["a"] * 3, "whole": [1, 2, 3], "number": [0.5, 1.5, float("nan")]})
    second = pa.table({"text": ["b"] * 5_000, "whole": pa.array([2**60, None] * 2_500), "number": numbers})
    accumulator = arrow_numpy.RowAccumulator()
    for rows, share in zip((first, second), shares, strict=True):
        accumulator.append(rows, share)
    table = accumulator.to_table()
    assert table["whole"].num_chunks == table["number"].num_chunks == 1
    whole = pa.concat_tables([first, second])
    assert table.select(["text", "whole"]).equals(whole.select(["text", "whole"]))
    assert table["number"].null_count == whole["number"].null_count
    np.testing.assert_array_equal(table["number"].to_numpy(), whole["number"].to_numpy())


def test_rows_without_numbers_are_accumulated():
    accumulator, rows = arrow_numpy.RowAccumulator(), pa.table({"a": ["x", None], "b": [True, False]})
    for share in (0.5, 1.0):
        accumulator.append(rows, share)
    assert accumulator.to_table().equals(pa.concat_tables([rows, rows]))


def test_each_batch_is_released_before_the_next_is_copied():
    parts = [pa.record_batch({"a": np.arange(3) + start}) for start in range(4)]
    alive = [weakref.ref(part) for part in parts]
    arrays = arrow_numpy.allocate_arrays(pa.Table.from_batches(parts), exclude=(), dictionary_indices=())
    batches, alive_counts = [*parts], []
    del parts

    class CountingArray(np.ndarray):
        def __setitem__(self, rows, values):
            alive_counts.append(sum(reference() is not None for reference in alive))
            super().__setitem__(rows, values)

    filled = {0: arrays[0].view(CountingArray)}
    arrow_numpy.move_batches(batches, filled)
    assert filled[0].tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5]
    assert batches == [] and alive_counts == [4, 3, 2, 1]
