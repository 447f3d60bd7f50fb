"""The choice of groups that move between training and test, so that both contain each rare class."""

import numpy as np
import pandas as pd
import pytest

from lib.tables.split import rare_classes

MAJORITY = 1_000


def place(*positions):
    """Return hashes at positions between 0 and 1."""
    return (np.array(positions) * 2.0**64).astype(np.uint64)


class Table:
    """Rows of rare classes at given positions, and rows of a frequent class.

    Parameters
    ----------
    rows : list of tuple of str and float
        Label and position of each row of a rare class. Rows at one position are a group.
    test_fraction : float
    """

    def __init__(self, rows, test_fraction=0.25):
        labels, positions = zip(*rows, strict=True)
        self.labels = pd.Series([*labels, *["frequent"] * MAJORITY])
        self.hashes = np.append(place(*positions), place(*((np.arange(MAJORITY) + 0.5) / MAJORITY)))
        self.is_test = self.hashes < place(test_fraction)[0]
        self.test_fraction = test_fraction

    def moves(self):
        """Return the positions of the groups that move, rounded to thousandths."""
        moved = rare_classes.find_moves(self.hashes, self.is_test, self.labels, self.test_fraction)
        assert moved.dtype == np.uint64
        return [round(float(value) / 2**64, 3) for value in moved]


@pytest.mark.parametrize("fraction", [0.25, 0.75])
def test_a_class_is_rare_below_ten_expected_rows(fraction):
    labels = pd.Series(["many"] * 400 + ["enough"] * 40 + ["few"] * 39 + ["fewest"] * 3)
    found = rare_classes.find_rare_classes(labels, fraction)
    assert list(found.items()) == [("fewest", 3), ("few", 39)]


def test_no_group_moves_without_rare_classes():
    labels = pd.Series(["a", "b"] * 100)
    moved = rare_classes.find_moves(place(*np.arange(200) / 200), np.arange(200) < 50, labels, 0.25)
    assert moved.shape == (0,) and moved.dtype == np.uint64


def test_a_class_without_a_test_row_gets_the_nearest_group():
    assert Table([("rare", 0.9), ("rare", 0.4), ("rare", 0.5), ("rare", 0.8)]).moves() == [0.4]


def test_a_class_without_a_training_row_gets_the_nearest_groups():
    assert Table([("rare", 0.01), ("rare", 0.2), ("rare", 0.1), ("rare", 0.15)]).moves() == [0.2, 0.15, 0.1]


def test_a_class_with_its_share_of_test_rows_stays():
    assert Table([("rare", 0.2), ("rare", 0.4), ("rare", 0.5), ("rare", 0.8)]).moves() == []


@pytest.mark.parametrize(("position", "moves"), [(0.1, [0.1]), (0.5, [])])
def test_a_single_group_trains(position, moves):
    assert Table([("rare", position)]).moves() == moves
    assert Table([("rare", position)] * 2).moves() == moves


def test_two_groups_are_divided():
    assert Table([("rare", 0.1), ("rare", 0.2)]).moves() == [0.2]
    assert Table([("rare", 0.6), ("rare", 0.5)]).moves() == [0.5]


def test_a_group_moves_only_if_the_count_comes_nearer():
    # Two of eight rows are wanted: with the group of four rows, the test would have too many.
    rows = [("rare", 0.3)] * 4 + [("rare", 0.4), ("rare", 0.5), ("rare", 0.6), ("rare", 0.7)]
    assert Table(rows).moves() == [0.4, 0.5]
    # With the group of three rows, it has one too many instead of one too few.
    assert Table([("rare", 0.2)] + [("rare", 0.3)] * 2 + [("rare", 0.4 + 0.1 * step) for step in range(5)]).moves() == [
        0.4
    ]


@pytest.mark.parametrize(("size", "moves"), [(10, [0.3]), (11, [0.9, 0.901, 0.902, 0.903, 0.904, 0.905, 0.906])])
def test_groups_with_more_than_a_hundredth_of_the_rows_stay(size, moves):
    # The table has fewer than 1,100 rows, so that at most 10 rows move together.
    assert Table([("rare", 0.3)] * size + [("rare", 0.9 + step / 1_000) for step in range(16)]).moves() == moves


def test_a_group_of_two_rare_classes_moves_for_the_rarest():
    shared = [("rarest", 0.4), ("rare", 0.4)]
    rows = [*shared, ("rarest", 0.8), ("rare", 0.5), ("rare", 0.7), ("rare", 0.9), ("rare", 0.95)]
    assert Table(rows).moves() == [0.4, 0.5]


def test_labels_may_be_numbers_and_missing():
    table = Table([(1, 0.9), (1, 0.4), (2.5, 0.5), (2.5, 0.6), (None, 0.7)])
    assert sorted(table.moves()) == [0.4, 0.5]
