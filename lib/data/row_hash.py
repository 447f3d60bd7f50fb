"""A row's hash: the same for the same content, whatever the order of columns and the types of numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

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
    for column in columns:
        values = frame[column]
        name = np.frombuffer(hashlib.blake2b(column.encode(), digest_size=8).digest(), dtype=np.uint64)[0]
        hashed = _mixed(_value_hash(values) ^ name)
        total += np.where(values.isna(), np.uint64(0), hashed)
    return _mixed(total + _mixed(np.array([seed], dtype=np.uint64)))


def _value_hash(values: pd.Series) -> np.ndarray:
    """Hash of each value, the same for ``12``, ``12.0`` and ``"12"``."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_datetime64_dtype(values.dtype):
        # Nanoseconds as floats, by way of microseconds: as whole numbers they end in the year 2262.
        return _number_hash(values.astype("datetime64[us]").astype("int64") * 1000.0)
    if pd.api.types.is_bool_dtype(values.dtype):
        values = values.astype(object)
    elif pd.api.types.is_numeric_dtype(values.dtype):
        return _number_hash(values)
    if pd.api.types.infer_dtype(values) != "string":
        # As texts first: for Python True is 1, and the first of the two would stand for both.
        values = values.map(str, na_action="ignore")
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    texts = pd.Series(list(distinct), dtype=object)
    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    read = numbers.notna()
    # Of 17 digits to_numeric makes the number beside the right one, and no other type would hash alike.
    numbers[read] = [float(one) for one in texts[read]]
    hashed = np.where(numbers.notna(), _number_hash(numbers), pd.util.hash_array(texts.to_numpy(object)))
    return np.append(hashed, np.uint64(0))[codes]


def _number_hash(values: pd.Series) -> np.ndarray:
    floats = values.to_numpy(dtype="float64", na_value=np.nan)
    return pd.util.hash_array(floats + 0.0)  # + 0.0 makes one zero of the two


def _mixed(bits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        bits = bits + _MIX[0]
        bits = (bits ^ (bits >> np.uint64(30))) * _MIX[1]
        bits = (bits ^ (bits >> np.uint64(27))) * _MIX[2]
        return bits ^ (bits >> np.uint64(31))
