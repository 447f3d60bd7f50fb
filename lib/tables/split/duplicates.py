"""Repeated rows, which make a model look better than it is if they are on both sides of a split."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.tables.split.row_hash import row_hash

# An odd multiplier, so that no two hashes of features become equal.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def describe_duplicates(feature_hashes: np.ndarray, target: pd.Series, distinct: int) -> str:
    """Count the rows that repeat another row, and the rows with equal features but another target.

    Parameters
    ----------
    feature_hashes : ndarray of uint64, of shape (rows,)
        A hash of each row's features.
    target : Series of shape (rows,)
    distinct : int
        Number of distinct hashes.

    Returns
    -------
    str
        One or two sentences; empty if no two rows have equal features.

    Examples
    --------
    >>> hashes = np.array([1, 1, 1, 2], dtype=np.uint64)
    >>> describe_duplicates(hashes, pd.Series(["a", "a", "b", "a"], name="y"), distinct=2).split(". ")[0]
    '1 of 4 rows repeats another row; the most frequent one occurs 2 times'
    """
    rows = len(feature_hashes)
    if distinct == rows:
        return ""
    row_hashes = feature_hashes * _FACTOR + row_hash(target.to_frame(), [str(target.name)], normalize=True)
    row_counts = np.unique(row_hashes, return_counts=True)[1]
    repeats, ambiguous = rows - len(row_counts), len(row_counts) - distinct
    sentences = []
    if repeats:
        verb = "repeats" if repeats == 1 else "repeat"
        sentences.append(
            f"{repeats:,} of {rows:,} rows {verb} another row; the most frequent one occurs {row_counts.max():,} times."
        )
    if ambiguous:
        sentences.append(
            f"{distinct:,} distinct combinations of features have {len(row_counts):,} combinations with "
            f"{target.name}, so some rows with equal features have different targets."
        )
    return " ".join(sentences)
