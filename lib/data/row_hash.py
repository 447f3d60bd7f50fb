"""A row's hash: the same for the same content, whatever the order of columns and the types of numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib import cores
from lib.data.tables import is_dictionary_encoded

_BLOCK_ROWS, _LEVELS_BLOCK_ROWS, _LEAST_ROWS = 2**15, 2**18, 2**17
# Whole numbers that lie as close as that are hashed once each.
_MOST_LEVELS = 2**13
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def row_hash(frame: pd.DataFrame, columns: Sequence[str], seed: int = 0) -> np.ndarray:
    """64-bit hash of each row's content.

    Each value is hashed with the name of its column and the hashes are added up, so that neither the order of
    columns nor a new column that is empty in a row matters. Numbers count by value, whatever their type; text that
    reads as a number counts as that number.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    columns : sequence of str
        The columns that count.
    seed : int

    Returns
    -------
    ndarray of uint64, of shape (rows,)
        Mixed by splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    """
    names = {
        column: np.frombuffer(hashlib.blake2b(column.encode(), digest_size=8).digest(), dtype=np.uint64)[0]
        for column in columns
    }
    encoded = {
        column: _of_texts(frame[column].cat.categories, name)
        for column, name in names.items()
        if is_dictionary_encoded(frame[column])
    }
    # Hashes of decimals have many short steps, at each of which two threads would wait for Python's lock; those of
    # other columns have few. So one thread has the decimals of some rows, and another one has the rest.
    groups = [
        [column for column in columns if (frame[column].dtype.kind == "f") is are_decimals]
        for are_decimals in (True, False)
    ]
    totals = np.zeros((len(groups), len(frame)), dtype=np.uint64)
    rows = max(_LEAST_ROWS, -(-len(frame) * len(groups) // cores.available()))

    def add_up(part: tuple[np.ndarray, Sequence[str], int]) -> None:
        total, group, start = part
        some = slice(start, start + rows)
        for column in group:
            values = frame[column].iloc[some]
            if column in encoded:
                _add_levels(total[some], values.cat.codes.to_numpy(), encoded[column])
            else:
                _add(total[some], values, names[column])

    parts = [(*pair, start) for start in range(0, len(frame), rows) for pair in zip(totals, groups, strict=True)]
    cores.map_threads(add_up, [part for part in parts if part[1]])
    total, other = totals
    seeded = _mixed(np.array([seed], dtype=np.uint64)) + _MIX[0]
    spare = np.empty(min(_BLOCK_ROWS, len(frame)), dtype=np.uint64)
    for start in range(0, len(frame), _BLOCK_ROWS):
        block = total[start : start + _BLOCK_ROWS]
        block += other[start : start + _BLOCK_ROWS]
        block += seeded
        _scattered(block, spare[: len(block)])
    return total


def _add(total: np.ndarray, values: pd.Series, name: np.uint64) -> None:
    """Add the hash of each value, the same for ``12``, ``12.0`` and ``"12"``; a missing one adds nothing."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_datetime64_dtype(values.dtype):
        # Nanoseconds as floats, by way of microseconds: as whole numbers they end in the year 2262.
        moments = values.astype("datetime64[us]")
        floats = np.where(moments.isna(), np.nan, moments.astype("int64") * 1000.0)
        return _add_numbers(total, floats, name)
    if values.dtype == bool:  # as the texts True and False
        of_texts = pd.util.hash_array(np.array(["False", "True"], dtype=object), categorize=False)
        return _add_levels(total, values.to_numpy(), _mixed(of_texts ^ name))
    if pd.api.types.is_bool_dtype(values.dtype):
        values = values.astype(object)
    elif pd.api.types.is_numeric_dtype(values.dtype):
        if values.dtype == np.int64 and len(values):
            low, high = int(values.min()), int(values.max())
            if high - low < min(_MOST_LEVELS, len(values)):
                levels = _number_hash(np.arange(low, high + 1).astype(float))
                return _add_levels(total, values.to_numpy(), _mixed(levels ^ name), low)
        return _add_numbers(total, values.to_numpy(dtype="float64", na_value=np.nan), name)
    if not isinstance(values.dtype, pd.StringDtype) and pd.api.types.infer_dtype(values) != "string":
        # As texts first: for Python True is 1, and the first of the two would stand for both.
        values = values.map(str, na_action="ignore")
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    return _add_levels(total, codes, _of_texts(distinct, name))


def _of_texts(distinct: ArrayLike, name: np.uint64) -> np.ndarray:
    """Hash of each text and, behind them, of a missing one, whose code is -1."""
    texts = pd.Series(np.asarray(distinct, dtype=object))
    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    read = numbers.notna()
    # Of 17 digits to_numeric makes the number beside the right one, and no other type would hash alike.
    numbers[read] = [float(one) for one in texts[read]]
    of_texts = pd.util.hash_array(texts.to_numpy(object), categorize=False)
    hashed = np.where(read, _number_hash(numbers.to_numpy()), of_texts)
    return np.append(_mixed(hashed ^ name), np.uint64(0))


def _add_levels(total: np.ndarray, values: np.ndarray, hashes: np.ndarray, low: int = 0) -> None:
    """Add to each row the hash of its value, of which `low` has the first; that of -1, a missing one, is the last."""
    rows = min(_LEVELS_BLOCK_ROWS, len(values))
    places, found = np.empty(rows, dtype=np.intp), np.empty(rows, dtype=np.uint64)
    for start in range(0, len(values), _LEVELS_BLOCK_ROWS):
        block = values[start : start + _LEVELS_BLOCK_ROWS]
        np.subtract(block, low, out=places[: len(block)])
        # Places are right; by this mode NumPy writes at once to where it is told to.
        total[start : start + _LEVELS_BLOCK_ROWS] += np.take(
            hashes, places[: len(block)], out=found[: len(block)], mode="wrap"
        )


def _add_numbers(total: np.ndarray, floats: np.ndarray, name: np.uint64) -> None:
    """In blocks that stay in the processor's cache, each in the memory of the one before: several times faster."""
    rows = min(_BLOCK_ROWS, len(floats))
    hashes, spare = np.empty(rows, dtype=np.uint64), np.empty(rows, dtype=np.uint64)
    for start in range(0, len(floats), _BLOCK_ROWS):
        block = floats[start : start + _BLOCK_ROWS]
        hashed, unused = hashes[: len(block)], spare[: len(block)]
        np.add(block, 0.0, out=hashed.view(np.float64))
        hashed = _scattered(hashed, unused)
        hashed ^= name
        hashed += _MIX[0]
        hashed = _scattered(hashed, unused)
        missing = np.isnan(block)
        if missing.any():
            hashed[missing] = 0
        total[start : start + _BLOCK_ROWS] += hashed


def _number_hash(floats: np.ndarray) -> np.ndarray:
    """Pandas' own hash of floats, `pandas.util.hash_array`, without its copies."""
    bits = (floats + 0.0).view(np.uint64)  # + 0.0 makes one zero of the two
    return _scattered(bits, np.empty_like(bits))


def _mixed(bits: np.ndarray) -> np.ndarray:
    bits = bits + _MIX[0]
    return _scattered(bits, np.empty_like(bits))


def _scattered(bits: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Bits spread over all places, in place; `spare` is memory of the same size to work in."""
    for shift, factor in ((30, _MIX[1]), (27, _MIX[2]), (31, None)):
        bits ^= np.right_shift(bits, np.uint64(shift), out=spare)
        if factor is not None:
            bits *= factor
    return bits
