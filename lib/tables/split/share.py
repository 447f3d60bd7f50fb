"""The choice of groups that test, so that the test share is near the requested one.

A group is all rows with equal hashes: equal features, or one key. Groups are ordered by their hashes, and those below
a threshold test. The threshold equals the requested share, which moves no row when the table grows, unless groups of
many rows bring the test share more than one percentage point away from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# One percentage point, but never so much that a side might be empty.
_MAX_TOLERANCE = 0.01
_ROUNDING = 1e-9
# With a larger design effect, groups rather than the number of rows make the test share uncertain.
_MAX_DESIGN_EFFECT = 2
# Of the groups beside a huge one, the smaller side never gets more.
_MAX_SHARE_OF_HASHES = 0.75
_MAX_OMITTED_GROUPS = 30


def tolerance(test_fraction: float) -> float:
    """Return how far the test share may be from the requested one.

    >>> tolerance(0.2), tolerance(0.01)
    (0.01, 0.005)
    """
    return min(_MAX_TOLERANCE, test_fraction / 2, (1 - test_fraction) / 2)


def is_near(test_share: float, test_fraction: float) -> bool:
    """Return whether a test share is within the tolerance of the requested one."""
    return abs(test_share - test_fraction) <= tolerance(test_fraction) + _ROUNDING


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
        """Share of the rows that the largest group has."""
        return float(self.sizes.max() / self.rows)

    @property
    def design_effect(self) -> float:
        """The factor by which groups raise the variance of the test share: the mean group size of a random row.

        1 if no two rows share a group. Kish, Survey Sampling (1965), for rows that are alike within groups.
        """
        return float((self.sizes.astype(float) ** 2).sum() / self.rows)


def to_unit(hashes: np.ndarray) -> np.ndarray:
    """Scale hashes to the range from 0 to 1."""
    return hashes / np.float64(2**64)


def is_too_large(share: float, test_fraction: float) -> bool:
    """Return whether a group with this share of the rows is larger than the smaller side of the split."""
    return share > min(test_fraction, 1 - test_fraction) + tolerance(test_fraction)


def choose_threshold(groups: Groups, test_fraction: float) -> tuple[float, np.ndarray]:
    """Return the threshold below which hashes test, and the hashes of groups that lie on the other side.

    The threshold is `test_fraction` if the test share is within the tolerance, or if only chance among independent
    rows is in the way. Otherwise it is the nearest threshold, or the nearest one when large groups are passed over. The
    smaller side never gets more than three quarters of the hashes, so that a huge group on the other side does not
    leave that side without any other group.

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
        Hashes of large groups whose side is the opposite of what the threshold says.

    Examples
    --------
    >>> groups = Groups(np.array([1, 2, 3, 4], dtype=np.uint64) * np.uint64(2**61), np.array([60, 20, 10, 10]))
    >>> threshold, moved = choose_threshold(groups, 0.2)
    >>> threshold, moved // np.uint64(2**61)
    (0.375, array([1], dtype=uint64))
    """
    positions = to_unit(groups.hashes)
    choices = [(test_fraction, groups.hashes[:0])]
    limit = tolerance(test_fraction) + _ROUNDING
    deviation = _deviation(groups, positions, choices[0], test_fraction)
    if deviation <= limit or (deviation < np.inf and groups.design_effect <= _MAX_DESIGN_EFFECT):
        return choices[0]
    mirrored = test_fraction > 0.5  # then the training side is the smaller one, and takes the highest hashes
    order = slice(None, None, -1) if mirrored else slice(None)
    shares = groups.sizes[order] / groups.rows
    smaller_side = min(test_fraction, 1 - test_fraction)
    allowed = int(
        np.count_nonzero(positions >= 1 - _MAX_SHARE_OF_HASHES if mirrored else positions < _MAX_SHARE_OF_HASHES)
    )
    for end, skipped in _find_cuts(shares[:allowed], smaller_side, limit):
        choices.append((_threshold_before(positions[order], end, mirrored), groups.hashes[order][skipped]))
        if _deviation(groups, positions, choices[-1], test_fraction) <= limit:
            return choices[-1]
    return min(choices, key=lambda choice: _deviation(groups, positions, choice, test_fraction))


def _deviation(groups: Groups, positions: np.ndarray, choice: tuple[float, np.ndarray], test_fraction: float) -> float:
    """Return how far a choice's test share is from the requested one; infinite if a side is empty."""
    threshold, moved = choice
    is_test = (positions < threshold) ^ np.isin(groups.hashes, moved)
    if is_test.all() or not is_test.any():
        return np.inf
    return float(abs(groups.sizes[is_test].sum() / groups.rows - test_fraction))


def _find_cuts(shares: np.ndarray, smaller_side: float, limit: float) -> Iterator[tuple[int, list[int]]]:
    """Yield cuts with sums near a share: the nearest one, and some that skip large groups."""
    if len(shares):
        yield int(np.argmin(np.abs(np.cumsum(shares) - smaller_side))) + 1, []
    yield _cut_past_large_groups(shares, smaller_side, limit)
    for position in np.flatnonzero(shares > limit)[:_MAX_OMITTED_GROUPS]:
        yield _cut_past_large_groups(shares, smaller_side, limit, int(position))


def _cut_past_large_groups(
    shares: np.ndarray, smaller_side: float, limit: float, omitted: int = -1
) -> tuple[int, list[int]]:
    """Return where to cut the groups, so that those before the cut add up to nearly the requested share.

    Large groups that would exceed the share are skipped. A group is large if its own share exceeds the tolerance, which
    is true for at most 100 groups.

    Parameters
    ----------
    shares : ndarray of float, of shape (groups,)
        Share of the rows of each group.
    smaller_side : float
        The requested sum of shares.
    limit : float
        The tolerance.
    omitted : int
        Position of a large group to skip in any case; -1 for none.

    Returns
    -------
    end : int
    skipped : list of int
        Positions before `end`.
    """
    is_large = shares > limit
    small = np.where(is_large, 0.0, shares)
    middles = np.cumsum(small) - small / 2  # a group belongs before the cut if its middle does
    taken = 0.0
    skipped: list[int] = []
    for position in np.flatnonzero(is_large):
        end = int(np.searchsorted(middles, smaller_side - taken, side="right"))
        if end < position:
            return end, skipped
        total = middles[position] + taken
        fits = total + shares[position] <= smaller_side + limit and position != omitted
        if total + shares[position] / 2 > smaller_side and (fits or total >= smaller_side - limit):
            return int(position), skipped
        if fits:
            taken += shares[position]
        else:
            skipped.append(int(position))
    end = int(np.searchsorted(middles, smaller_side - taken, side="right"))
    return end, [position for position in skipped if position < end]


def _threshold_before(ordered_positions: np.ndarray, end: int, mirrored: bool) -> float:
    """Return the threshold that separates the first `end` groups from the others."""
    if mirrored:
        return float(ordered_positions[end - 1]) if end else 1.0
    return (
        min(float(ordered_positions[end]), _MAX_SHARE_OF_HASHES)
        if end < len(ordered_positions)
        else _MAX_SHARE_OF_HASHES
    )
