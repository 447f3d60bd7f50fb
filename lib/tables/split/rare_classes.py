"""Rare classes: groups of rows that move between training and test, so that each part contains the class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.tables.frames import count_values, to_strings
from lib.tables.split.share import to_unit

# A class is rare if fewer training rows or test rows than this are expected, so that there might be none by chance.
_MIN_EXPECTED_ROWS = 10
# Groups with more than this share of the rows are not moved.
_MAX_MOVED_SHARE = 0.01


def find_rare_classes(labels: pd.Series, test_fraction: float) -> pd.Series:
    """Return the number of rows of each rare class, with the rarest class first."""
    counts = count_values(to_strings(labels))
    return counts[counts * min(test_fraction, 1 - test_fraction) < _MIN_EXPECTED_ROWS][::-1]


def find_moves(hashes: np.ndarray, is_test: np.ndarray, labels: pd.Series, test_fraction: float) -> np.ndarray:
    """Return the hashes of groups to move between training and test, so that both contain each rare class.

    Each rare class of two or more groups gets at least one test row and one training row. The groups with hashes
    nearest to the threshold are moved. A class with a single group is moved to training.

    Parameters
    ----------
    hashes : ndarray of uint64, of shape (rows,)
        Rows with equal hashes are a group, and move together.
    is_test : ndarray of bool, of shape (rows,)
        Whether each row is a test row before the moves.
    labels : Series of shape (rows,)
        Class labels.
    test_fraction : float

    Returns
    -------
    ndarray of uint64
    """
    rare_classes = find_rare_classes(labels, test_fraction)
    if rare_classes.empty:
        return hashes[:0]
    texts = to_strings(labels)
    positions = np.flatnonzero(texts.isin(rare_classes.index))
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
    groups_by_label = dict(tuple(groups.groupby("label")))
    decided_hashes: set[int] = set()
    moved: list[int] = []
    for label, class_size in rare_classes.items():
        if str(label) in groups_by_label:
            class_groups = groups_by_label[str(label)]
            # A group with rows of several classes is moved only for the rarest of them.
            movable_groups = class_groups[~class_groups["hash"].isin(decided_hashes)]
            moved += _choose_moves(movable_groups, class_groups, int(class_size), test_fraction)
            decided_hashes |= set(class_groups["hash"])
    return np.array(moved, dtype=np.uint64)


def _choose_moves(
    movable_groups: pd.DataFrame, groups: pd.DataFrame, row_count: int, test_fraction: float
) -> list[int]:
    """Return the hashes of the groups to move, so that a class has its share of test rows.

    Parameters
    ----------
    movable_groups, groups : DataFrame
        The groups of the class that may be moved, and all of them, with the columns hash, is_test and rows.
    row_count : int
        Number of rows of the class.
    test_fraction : float
    """
    wanted_count = min(max(1, round(row_count * test_fraction)), row_count - 1) if len(groups) > 1 else 0
    current_count = int(groups.loc[groups["is_test"], "rows"].sum())
    has_too_many = current_count > wanted_count
    candidates = movable_groups[movable_groups["is_test"] == has_too_many]
    distances = np.abs(to_unit(candidates["hash"].to_numpy()) - test_fraction)
    moved = []
    for position in np.argsort(distances, kind="stable"):
        change = int(candidates["rows"].iloc[position]) * (-1 if has_too_many else 1)
        if abs(current_count + change - wanted_count) < abs(current_count - wanted_count):
            current_count += change
            moved.append(int(candidates["hash"].iloc[position]))
    return moved
