"""Repeated rows, which raise the test score unduly if a row trains and its copy tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.tables.split.row_hash import row_hash

# Multiplication by an odd number keeps different 64-bit hashes different.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def describe_duplicates(feature_hashes: np.ndarray, target: pd.Series, distinct_count: int) -> str:
    """Describe how many rows repeat another row, and whether rows with equal features have different targets.

    Parameters
    ----------
    feature_hashes : ndarray of uint64, of shape (rows,)
        A hash of each row's features.
    target : Series of shape (rows,)
    distinct_count : int
        Number of distinct values of `feature_hashes`.

    Returns
    -------
    str
        One or two sentences; empty if no two rows have equal features.

    Examples
    --------
    >>> hashes = np.array([1, 1, 1, 2], dtype=np.uint64)
    >>> describe_duplicates(hashes, pd.Series(["a", "a", "b", "a"], name="y"), distinct_count=2).split(". ")[0]
    '1 of 4 rows repeats another row; the most frequent one occurs 2 times'
    """
    row_count = len(feature_hashes)
    if distinct_count == row_count:
        return ""
    row_hashes = feature_hashes * _FACTOR + row_hash(target.to_frame(), [str(target.name)], normalize=True)
    row_counts = np.unique(row_hashes, return_counts=True)[1]
    repeat_count, ambiguous_count = row_count - len(row_counts), len(row_counts) - distinct_count
    sentences = []
    if repeat_count:
        verb = "repeats" if repeat_count == 1 else "repeat"
        sentences.append(
            f"{repeat_count:,} of {row_count:,} rows {verb} another row; "
            f"the most frequent one occurs {row_counts.max():,} times."
        )
    if ambiguous_count:
        sentences.append(
            f"{distinct_count:,} distinct combinations of features have {len(row_counts):,} combinations with "
            f"{target.name}, so some rows with equal features have different targets."
        )
    return " ".join(sentences)
