"""Row hashes that depend only on a row's content, not on the order of columns or on the types of numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lib import cores
from lib.schema.text_values import normalize_text
from lib.tables.frames import is_dictionary_encoded

# Block sizes at which a block fits into the processor's cache.
_BLOCK_ROWS = 2**15
_LOOKUP_BLOCK_ROWS = 2**18
_MIN_ROWS_PER_THREAD = 2**17
# Integers within a range of this size are hashed once per distinct value.
_MAX_INTEGER_RANGE = 2**13
# The increment and the two multipliers of splitmix64.
_INCREMENT, _FACTOR_1, _FACTOR_2 = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)


def row_hash(frame: pd.DataFrame, columns: Sequence[str], seed: int = 0, normalize: bool = False) -> np.ndarray:
    """Return a 64-bit hash of each row's content.

    Each value is hashed together with its column's name, and a row's hash is the sum over its columns. Therefore the
    order of columns does not matter, and missing values add nothing. Numbers of any type are equal if their values are,
    and a text that can be read as a number equals that number.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    columns : sequence of str
        The columns to hash.
    seed : int
    normalize : bool
        Whether texts that differ only in surrounding spaces, or in the Unicode form of an accent, are equal.

    Returns
    -------
    ndarray of uint64, of shape (rows,)
        The sums, mixed with splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).

    Examples
    --------
    >>> frame = pd.DataFrame({"color": ["red", "red"], "size": ["2", "2.0"]})
    >>> first, second = row_hash(frame, ["color", "size"])
    >>> bool(first == second)
    True
    """
    name_hashes = {column: _hash_name(column) for column in columns}
    dictionary_hashes = {
        column: _hash_texts(frame[column].cat.categories, name_hashes[column], normalize)
        for column in columns
        if is_dictionary_encoded(frame[column])
    }
    # Float columns need many short NumPy calls, in which threads contend for the GIL. They are therefore
    # summed in a thread of their own, apart from the other columns.
    float_columns = [column for column in columns if frame[column].dtype.kind == "f"]
    groups = [float_columns, [column for column in columns if column not in set(float_columns)]]
    sums = np.zeros((len(groups), len(frame)), dtype=np.uint64)
    part_rows = max(_MIN_ROWS_PER_THREAD, -(-len(frame) * len(groups) // cores.available()))

    def add_part(part: tuple[np.ndarray, Sequence[str], int]) -> None:
        group_sums, group, start = part
        rows = slice(start, start + part_rows)
        for column in group:
            values = frame[column].iloc[rows]
            if column in dictionary_hashes:
                _add_lookup(group_sums[rows], values.cat.codes.to_numpy(), dictionary_hashes[column])
            else:
                _add_values(group_sums[rows], values, name_hashes[column], normalize)

    parts = [
        (group_sums, group, start)
        for start in range(0, len(frame), part_rows)
        for group_sums, group in zip(sums, groups, strict=True)
        if group
    ]
    cores.map_threads(add_part, parts)
    return _mix_sums(sums[0], sums[1], seed)


def _mix_sums(sums: np.ndarray, other_sums: np.ndarray, seed: int) -> np.ndarray:
    """Add two arrays of sums and the seed's hash, and mix the bits; the result overwrites `sums`."""
    seed_hash = _mix_with_increment(np.array([seed], dtype=np.uint64)) + _INCREMENT
    buffer = np.empty(min(_BLOCK_ROWS, len(sums)), dtype=np.uint64)
    for start in range(0, len(sums), _BLOCK_ROWS):
        block = sums[start : start + _BLOCK_ROWS]
        block += other_sums[start : start + _BLOCK_ROWS]
        block += seed_hash
        _mix(block, buffer[: len(block)])
    return sums


def _hash_name(column: str) -> np.uint64:
    return np.frombuffer(hashlib.blake2b(column.encode(), digest_size=8).digest(), dtype=np.uint64)[0]


def _add_values(sums: np.ndarray, values: pd.Series, name_hash: np.uint64, normalize: bool) -> None:
    """Add the hash of each value to its row's sum.

    The hashes of ``12``, ``12.0`` and ``"12"`` are equal, and that of a missing value is 0.
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_datetime64_dtype(values.dtype):
        # Hashed as nanoseconds, but in floats: 64-bit integers of nanoseconds end in the year 2262.
        microseconds = values.astype("datetime64[us]")
        nanoseconds = np.where(microseconds.isna(), np.nan, microseconds.astype("int64") * 1000.0)
        return _add_numbers(sums, nanoseconds, name_hash)
    if values.dtype == bool:  # hashed like the texts "True" and "False"
        text_hashes = pd.util.hash_array(np.array(["False", "True"], dtype=object), categorize=False)
        return _add_lookup(sums, values.to_numpy(), _mix_with_increment(text_hashes ^ name_hash))
    if pd.api.types.is_bool_dtype(values.dtype):
        values = values.astype(object)
    elif pd.api.types.is_numeric_dtype(values.dtype):
        if values.dtype == np.int64 and len(values):
            low, high = int(values.min()), int(values.max())
            if high - low < min(_MAX_INTEGER_RANGE, len(values)):
                hashes = _mix_with_increment(_hash_numbers(np.arange(low, high + 1).astype(float)) ^ name_hash)
                return _add_lookup(sums, values.to_numpy(), hashes, low)
        return _add_numbers(sums, values.to_numpy(dtype="float64", na_value=np.nan), name_hash)
    if not isinstance(values.dtype, pd.StringDtype) and pd.api.types.infer_dtype(values) != "string":
        # Convert to text first: True equals 1 in Python, so factorize would give both the same code.
        values = values.map(str, na_action="ignore")
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    return _add_lookup(sums, codes, _hash_texts(distinct, name_hash, normalize))


def _hash_texts(distinct: ArrayLike, name_hash: np.uint64, normalize: bool) -> np.ndarray:
    """Return the hash of each text, followed by 0, which the code -1 of missing values selects."""
    texts = pd.Series(np.asarray(distinct, dtype=object))
    if normalize:
        texts = texts.map(normalize_text)
    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    is_number = numbers.notna()
    # pd.to_numeric can be one bit off for numbers of 17 digits, unlike float().
    numbers[is_number] = [float(text) for text in texts[is_number]]
    text_hashes = pd.util.hash_array(texts.to_numpy(object), categorize=False)
    hashes = np.where(is_number, _hash_numbers(numbers.to_numpy()), text_hashes)
    return np.append(_mix_with_increment(hashes ^ name_hash), np.uint64(0))


def _add_lookup(sums: np.ndarray, codes: np.ndarray, hashes: np.ndarray, first_code: int = 0) -> None:
    """Add ``hashes[code - first_code]`` to each row's sum; the code -1 selects the last hash."""
    rows = min(_LOOKUP_BLOCK_ROWS, len(codes))
    places, row_hashes = np.empty(rows, dtype=np.intp), np.empty(rows, dtype=np.uint64)
    for start in range(0, len(codes), _LOOKUP_BLOCK_ROWS):
        block = codes[start : start + _LOOKUP_BLOCK_ROWS]
        block_places, block_hashes = places[: len(block)], row_hashes[: len(block)]
        np.subtract(block, first_code, out=block_places)
        # NumPy would buffer the output with mode "raise", which is not needed because all places are valid.
        np.take(hashes, block_places, out=block_hashes, mode="wrap")
        sums[start : start + _LOOKUP_BLOCK_ROWS] += block_hashes


def _add_numbers(sums: np.ndarray, numbers: np.ndarray, name_hash: np.uint64) -> None:
    """Add the hash of each number to its row's sum, one block after another in the same buffers."""
    rows = min(_BLOCK_ROWS, len(numbers))
    hash_buffer, buffer = np.empty(rows, dtype=np.uint64), np.empty(rows, dtype=np.uint64)
    for start in range(0, len(numbers), _BLOCK_ROWS):
        block = numbers[start : start + _BLOCK_ROWS]
        hashes, scratch = hash_buffer[: len(block)], buffer[: len(block)]
        np.add(block, 0.0, out=hashes.view(np.float64))  # turns -0.0 into 0.0
        hashes = _mix(hashes, scratch)
        hashes ^= name_hash
        hashes += _INCREMENT
        hashes = _mix(hashes, scratch)
        is_missing = np.isnan(block)
        if is_missing.any():
            hashes[is_missing] = 0
        sums[start : start + _BLOCK_ROWS] += hashes


def _hash_numbers(numbers: np.ndarray) -> np.ndarray:
    """Return the hash of each float, equal to that of `pandas.util.hash_array`."""
    bits = (numbers + 0.0).view(np.uint64)  # turns -0.0 into 0.0
    return _mix(bits, np.empty_like(bits))


def _mix_with_increment(bits: np.ndarray) -> np.ndarray:
    """Return the outputs of splitmix64 for given states."""
    bits = bits + _INCREMENT
    return _mix(bits, np.empty_like(bits))


def _mix(bits: np.ndarray, buffer: np.ndarray) -> np.ndarray:
    """Apply splitmix64's finalizer in place; `buffer` is scratch memory of the same shape."""
    for shift, factor in ((30, _FACTOR_1), (27, _FACTOR_2), (31, None)):
        bits ^= np.right_shift(bits, np.uint64(shift), out=buffer)
        if factor is not None:
            bits *= factor
    return bits
