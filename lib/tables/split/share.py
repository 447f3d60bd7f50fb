"""The choice of test groups, so that the share of test rows is near the requested share.

A group is all rows with equal hashes: rows with equal features, or with one key. Groups with hashes below a threshold
are test groups. The threshold is the requested share, so that no row moves when the table grows. Another threshold is
chosen only if groups of many rows bring the share of test rows more than one percentage point away from the requested
share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# One percentage point; less if training or test might otherwise be empty.
_MAX_TOLERANCE = 0.01
_ROUNDING = 1e-9
# With a larger design effect, the sizes of groups, not only chance, move the test share away from the requested share.
_MAX_DESIGN_EFFECT = 2
# The smaller part, training or test, gets at most this share of the hashes, even if a huge group fills the other part.
_MAX_SHARE_OF_HASHES = 0.75
_MAX_OMITTED_GROUPS = 30


def share_tolerance(test_fraction: float) -> float:
    """Return how far the share of test rows may be from the requested share.

    >>> share_tolerance(0.2), share_tolerance(0.01)
    (0.01, 0.005)
    """
    return min(_MAX_TOLERANCE, test_fraction / 2, (1 - test_fraction) / 2)


def is_near(test_share: float, test_fraction: float) -> bool:
    """Return whether the share of test rows is within the tolerance of the requested share."""
    return abs(test_share - test_fraction) <= share_tolerance(test_fraction) + _ROUNDING


@dataclass(frozen=True)
class Groups:
    """The groups of a table in the order of their hashes.

    Attributes
    ----------
    hashes : ndarray of uint64, of shape (groups,)
        Ascending.
    sizes : ndarray of int, of shape (groups,)
        Number of rows.
    """

    hashes: np.ndarray
    sizes: np.ndarray

    @classmethod
    def from_hashes(cls, hashes: np.ndarray) -> Groups:
        """Count the rows of each hash, given one hash per row."""
        return cls(*np.unique(hashes, return_counts=True))

    @property
    def rows(self) -> int:
        """Number of rows of all groups."""
        return int(self.sizes.sum())

    @property
    def largest_share(self) -> float:
        """Share of all rows that belong to the largest group."""
        return float(self.sizes.max() / self.rows)

    @property
    def design_effect(self) -> float:
        """The factor by which groups raise the variance of the test share; 1 if every group has one row.

        It is the mean, over all rows, of the size of a row's group (Kish, Survey Sampling, 1965).
        """
        return float((self.sizes.astype(float) ** 2).sum() / self.rows)


def to_unit(hashes: np.ndarray) -> np.ndarray:
    """Scale hashes to the range from 0 to 1."""
    return hashes / np.float64(2**64)


def is_too_large(share: float, test_fraction: float) -> bool:
    """Return whether a group with this share of all rows exceeds the smaller part, training or test."""
    return share > min(test_fraction, 1 - test_fraction) + share_tolerance(test_fraction)


def choose_threshold(groups: Groups, test_fraction: float) -> tuple[float, np.ndarray]:
    """Choose the threshold below which hashes are test hashes, and the groups that are exceptions to it.

    The threshold is `test_fraction` if the test share is within the tolerance, or if it misses the tolerance only by
    chance because nearly all groups have one row. Otherwise it is the threshold that brings the test share nearest to
    `test_fraction`; large groups that stand in the way may be exceptions. The smaller part, training or test, never
    gets more than three quarters of the hashes, so that beside a huge group the larger part contains other groups too.

    Parameters
    ----------
    groups : Groups
    test_fraction : float
        Requested share of test rows, between 0 and 1.

    Returns
    -------
    threshold : float
        Between 0 and 1.
    moved : ndarray of uint64
        Hashes of the exceptions: large groups that train although they are below the threshold, or the reverse.

    Examples
    --------
    >>> groups = Groups(np.array([1, 2, 3, 4], dtype=np.uint64) * np.uint64(2**61), np.array([60, 20, 10, 10]))
    >>> threshold, moved = choose_threshold(groups, 0.2)
    >>> threshold, moved // np.uint64(2**61)
    (0.375, array([1], dtype=uint64))
    """
    positions = to_unit(groups.hashes)
    choices = [(test_fraction, groups.hashes[:0])]
    tolerance = share_tolerance(test_fraction) + _ROUNDING
    deviation = _measure_deviation(groups, positions, choices[0], test_fraction)
    if deviation <= tolerance or (deviation < np.inf and groups.design_effect <= _MAX_DESIGN_EFFECT):
        return choices[0]
    # The smaller part is filled with groups: test from the lowest hash, or training from the highest.
    from_highest = test_fraction > 0.5
    order = slice(None, None, -1) if from_highest else slice(None)
    shares = groups.sizes[order] / groups.rows
    requested_share = min(test_fraction, 1 - test_fraction)
    is_allowed = positions >= 1 - _MAX_SHARE_OF_HASHES if from_highest else positions < _MAX_SHARE_OF_HASHES
    for end, skipped in _find_cuts(shares[: np.count_nonzero(is_allowed)], requested_share, tolerance):
        choices.append((_find_threshold(positions[order], end, from_highest), groups.hashes[order][skipped]))
        if _measure_deviation(groups, positions, choices[-1], test_fraction) <= tolerance:
            return choices[-1]
    return min(choices, key=lambda choice: _measure_deviation(groups, positions, choice, test_fraction))


def _measure_deviation(
    groups: Groups, positions: np.ndarray, choice: tuple[float, np.ndarray], test_fraction: float
) -> float:
    """Return how far the test share of a threshold with its exceptions is from the requested share.

    The deviation is infinite if there are no training rows or no test rows.
    """
    threshold, moved = choice
    is_test = (positions < threshold) ^ np.isin(groups.hashes, moved)
    if is_test.all() or not is_test.any():
        return np.inf
    return float(abs(groups.sizes[is_test].sum() / groups.rows - test_fraction))


def _find_cuts(shares: np.ndarray, requested_share: float, tolerance: float) -> Iterator[tuple[int, list[int]]]:
    """Yield ways to choose groups from the first on, so that their shares sum up to nearly the requested share.

    Each result is the number of groups before the cut, and the positions of large groups among them that are skipped.
    The first result skips none.
    """
    if len(shares):
        yield int(np.argmin(np.abs(np.cumsum(shares) - requested_share))) + 1, []
    yield _cut_past_large_groups(shares, requested_share, tolerance)
    for position in np.flatnonzero(shares > tolerance)[:_MAX_OMITTED_GROUPS]:
        yield _cut_past_large_groups(shares, requested_share, tolerance, int(position))


def _cut_past_large_groups(
    shares: np.ndarray, requested_share: float, tolerance: float, omitted: int = -1
) -> tuple[int, list[int]]:
    """Return where to cut the groups, so that the shares before the cut sum up to nearly the requested share.

    A group is large if its share exceeds the tolerance. Large groups with which the sum would exceed the requested
    share are skipped.

    Parameters
    ----------
    shares : ndarray of float, of shape (groups,)
        Share of all rows that belong to each group.
    requested_share : float
        The requested sum of shares.
    tolerance : float
        How far the sum may be from the requested share.
    omitted : int
        Position of a large group to skip in any case; -1 for none.

    Returns
    -------
    end : int
        Number of groups before the cut.
    skipped : list of int
        Positions of the skipped groups before the cut.
    """
    is_large = shares > tolerance
    small = np.where(is_large, 0.0, shares)
    # With a small group, the sum comes nearer to the requested share if the sum up to the group's middle is below it.
    middles = np.cumsum(small) - small / 2
    taken_large = 0.0  # sum of the large groups that are not skipped
    min_end = 0  # the cut is behind the large groups that are not skipped
    skipped: list[int] = []
    for position in np.flatnonzero(is_large):
        end = max(min_end, int(np.searchsorted(middles, requested_share - taken_large, side="right")))
        if end < position:
            break
        sum_before = middles[position] + taken_large
        fits = sum_before + shares[position] <= requested_share + tolerance and position != omitted
        is_better_without = sum_before + shares[position] / 2 > requested_share
        if is_better_without and (fits or sum_before >= requested_share - tolerance):
            return int(position), skipped
        if fits:
            taken_large += shares[position]
            min_end = int(position) + 1
        else:
            skipped.append(int(position))
    end = max(min_end, int(np.searchsorted(middles, requested_share - taken_large, side="right")))
    return end, [position for position in skipped if position < end]


def _find_threshold(ordered_positions: np.ndarray, end: int, from_highest: bool) -> float:
    """Return the threshold that separates the first `end` groups from the other groups.

    `ordered_positions` are hashes, scaled to the range from 0 to 1: from the highest or from the lowest.
    """
    if from_highest:
        return float(ordered_positions[end - 1]) if end else 1.0
    next_position = float(ordered_positions[end]) if end < len(ordered_positions) else 1.0
    return min(next_position, _MAX_SHARE_OF_HASHES)
