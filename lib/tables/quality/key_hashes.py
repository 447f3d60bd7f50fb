"""Hashes of keys, to find repeated keys among the parts of a table without loading all rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib.schema.text_values import category_names

# Multiplication by an odd number keeps different 64-bit hashes different.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class KeyHashes:
    """Hashes of the keys of some rows.

    Attributes
    ----------
    hashes : ndarray of uint64, of shape (rows,)
    is_complete : ndarray of bool, of shape (rows,)
        Whether each key has a value in all of its columns. An incomplete key never counts as repeated.
    """

    hashes: np.ndarray
    is_complete: np.ndarray


def hash_keys(frame: pd.DataFrame, columns: Sequence[str]) -> KeyHashes:
    """Hash the key of each row: its values in some columns.

    Texts are equal if they differ only in surrounding spaces or in their Unicode form. A whole number equals the float
    that it becomes in a column with missing values.

    Examples
    --------
    >>> keys = hash_keys(pd.DataFrame({"id": [1.0, 2.0, None]}), ["id"])
    >>> bool(keys.hashes[0] == hash_keys(pd.DataFrame({"id": [1]}), ["id"]).hashes[0]), keys.is_complete.tolist()
    (True, [True, True, False])
    """
    hashes = np.zeros(len(frame), dtype=np.uint64)
    is_complete = np.ones(len(frame), dtype=bool)
    for name in columns:
        column_hashes, is_present = _hash_column(frame[name])
        hashes = hashes * _FACTOR + column_hashes
        is_complete &= is_present
    return KeyHashes(hashes, is_complete)


def find_repeats(parts: Sequence[KeyHashes]) -> np.ndarray:
    """Return the rows whose key occurs in an earlier row, numbered from 0 through all parts."""
    hashes = pd.Series(np.concatenate([part.hashes for part in parts]))
    is_complete = np.concatenate([part.is_complete for part in parts])
    return np.flatnonzero(hashes.duplicated().to_numpy() & is_complete)


def _hash_column(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the hash of each value, and whether it is present."""
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        is_present = values.notna().to_numpy()
        return _hash_array(_number_bits(values)), is_present
    names = category_names(values)
    codes, distinct = pd.factorize(names, use_na_sentinel=True)
    hashes = _hash_array(np.asarray(distinct, dtype=object))
    return np.append(hashes, np.uint64(0))[codes], codes >= 0


def _hash_array(values: ArrayLike) -> np.ndarray:
    return pd.util.hash_array(np.asarray(values), categorize=False)


def _number_bits(values: pd.Series) -> np.ndarray:
    """Return each number as 64 bits that do not depend on its type; the bits of missing numbers have no meaning."""
    if pd.api.types.is_unsigned_integer_dtype(values.dtype):
        return values.fillna(0).to_numpy(dtype=np.uint64)
    if pd.api.types.is_integer_dtype(values.dtype):
        return values.fillna(0).to_numpy(dtype=np.int64).view(np.uint64)
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
    is_whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < 2.0**63)
    whole = np.where(is_whole, numbers, 0.0).astype(np.int64).view(np.uint64)
    return np.where(is_whole, whole, numbers.view(np.uint64))
