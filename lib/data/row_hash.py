"""A row's hash: the same for the same content, whatever the order of columns and the types of numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib import cores
from lib.data.tables import is_encoded

_BLOCK_ROWS, _ROWS_PER_CORE = 2**16, 2**17
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
    total = np.zeros(len(frame), dtype=np.uint64)
    names = {
        column: np.frombuffer(hashlib.blake2b(column.encode(), digest_size=8).digest(), dtype=np.uint64)[0]
        for column in columns
    }
    encoded = {
        column: _of_texts(frame[column].cat.categories, name)
        for column, name in names.items()
        if is_encoded(frame[column])
    }

    def add_up(start: int) -> None:
        some = slice(start, start + _ROWS_PER_CORE)
        for column in columns:
            values = frame[column].iloc[some]
            if column in encoded:
                total[some] += encoded[column][values.cat.codes.to_numpy()]
            else:
                _add(total[some], values, names[column])
        total[some] = _mixed(total[some] + _mixed(np.array([seed], dtype=np.uint64)))

    cores.each(add_up, range(0, len(frame), _ROWS_PER_CORE))
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
        total += _mixed(of_texts ^ name)[values.to_numpy().astype(np.intp)]
        return None
    if pd.api.types.is_bool_dtype(values.dtype):
        values = values.astype(object)
    elif pd.api.types.is_numeric_dtype(values.dtype):
        if values.dtype == np.int64 and len(values):
            low, high = int(values.min()), int(values.max())
            if high - low < min(_MOST_LEVELS, len(values)):
                levels = _number_hash(np.arange(low, high + 1).astype(float))
                total += _mixed(levels ^ name)[values.to_numpy() - low]
                return None
        return _add_numbers(total, values.to_numpy(dtype="float64", na_value=np.nan), name)
    if not isinstance(values.dtype, pd.StringDtype) and pd.api.types.infer_dtype(values) != "string":
        # As texts first: for Python True is 1, and the first of the two would stand for both.
        values = values.map(str, na_action="ignore")
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    total += _of_texts(distinct, name)[codes]
    return None


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
