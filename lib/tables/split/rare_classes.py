"""Rare classes: groups that change sides, so that training and test rows both contain the class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.tables.frames import count_values, to_strings
from lib.tables.split.share import to_unit

# A class is rare if chance might leave its training or test rows empty: fewer rows than this are expected there.
_MIN_EXPECTED_ROWS = 10
# Groups with more than this share of the rows stay where they are.
_MAX_MOVED_SHARE = 0.01


def find_rare_classes(labels: pd.Series, test_fraction: float) -> pd.Series:
    """Return the number of rows of each rare class, the rarest first."""
    counts = count_values(to_strings(labels))
    return counts[counts * min(test_fraction, 1 - test_fraction) < _MIN_EXPECTED_ROWS][::-1]


def find_moves(hashes: np.ndarray, is_test: np.ndarray, labels: pd.Series, test_fraction: float) -> np.ndarray:
    """Return the hashes of groups that should change sides, so that rare classes have their share of test rows.

    Each rare class of two or more groups gets at least one test row and one training row, and the groups nearest to
    the boundary move. A class with a single group trains.

    Parameters
    ----------
    hashes : ndarray of uint64, of shape (rows,)
        Rows with equal hashes are a group and share a side.
    is_test : ndarray of bool, of shape (rows,)
        The side of each row so far.
    labels : Series of shape (rows,)
        Class labels.
    test_fraction : float

    Returns
    -------
    ndarray of uint64
    """
    rare = find_rare_classes(labels, test_fraction)
    if rare.empty:
        return hashes[:0]
    texts = to_strings(labels)
    positions = np.flatnonzero(texts.isin(rare.index))
    groups = pd.DataFrame(
        {
            "label": texts.iloc[positions].astype(str).to_numpy(),
            "hash": hashes[positions],
            "is_test": is_test[positions],
            "rows": 1,
        }
    )
    groups = groups.groupby(["label", "hash", "is_test"], as_index=False, observed=True)["rows"].sum()
    groups = groups[groups["rows"] <= max(1, _MAX_MOVED_SHARE * len(hashes))]
    by_label = dict(tuple(groups.groupby("label")))
    decided: set[int] = set()
    moved: list[int] = []
    for label, rows in rare.items():
        if str(label) in by_label:
            class_groups = by_label[str(label)]
            free = class_groups[~class_groups["hash"].isin(decided)]
            moved += _balance(free, class_groups, int(rows), test_fraction)
            decided |= set(class_groups["hash"])
    return np.array(moved, dtype=np.uint64)


def _balance(free: pd.DataFrame, groups: pd.DataFrame, rows: int, test_fraction: float) -> list[int]:
    """Return the hashes of the free groups of a class that change sides."""
    wanted = min(max(1, round(rows * test_fraction)), rows - 1) if len(groups) > 1 else 0
    current = int(groups.loc[groups["is_test"], "rows"].sum())
    too_many = current > wanted
    candidates = free[free["is_test"] == too_many]
    distances = np.abs(to_unit(candidates["hash"].to_numpy()) - test_fraction)
    moved = []
    for position in np.argsort(distances, kind="stable"):
        size = int(candidates["rows"].iloc[position]) * (-1 if too_many else 1)
        if abs(current + size - wanted) < abs(current - wanted):
            current += size
            moved.append(int(candidates["hash"].iloc[position]))
    return moved
