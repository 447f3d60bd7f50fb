"""The share of test rows when rows come in groups, and the side of rows with equal features."""

import numpy as np
import pandas as pd
import pytest

from lib.tables.split import share
from lib.tables.split.rules import HashSplit, LegacyHashSplit, rule_from_dict


def make_groups(sizes, seed=0):
    """Return a table with one row per member of a group."""
    random = np.random.default_rng(seed)
    keys = np.repeat(random.permutation(10 * len(sizes))[: len(sizes)], sizes)
    return pd.DataFrame({"key": keys, "x": random.normal(size=len(keys))})


class TestLargeGroups:
    @pytest.mark.parametrize("seed", range(10))
    @pytest.mark.parametrize("fraction", [0.1, 0.2, 0.3, 0.5, 0.7])
    def test_share_is_kept_beside_a_group_larger_than_the_test(self, seed, fraction):
        frame = make_groups([3_322, *[1] * 7_861], seed)
        rule = HashSplit.from_table(frame, ["key"], fraction, seed)
        assert rule.is_test(frame).mean() == pytest.approx(fraction, abs=0.01)

    @pytest.mark.parametrize("seed", range(10))
    def test_share_is_kept_for_groups_of_several_percent(self, seed):
        sizes = np.random.default_rng(seed).integers(5, 60, 40)
        frame = make_groups(sizes, seed)
        rule = HashSplit.from_table(frame, ["key"], 0.2, seed)
        train, test = rule.apply(frame)
        assert len(test) / len(frame) == pytest.approx(0.2, abs=0.01)
        assert not set(train["key"]) & set(test["key"])

    @pytest.mark.parametrize("seed", range(10))
    def test_quarter_of_the_other_rows_trains_beside_a_huge_group(self, seed):
        frame = make_groups([8_000, *[1] * 2_000], seed)
        rule = HashSplit.from_table(frame, ["key"], 0.2, seed)
        is_test = rule.is_test(frame)
        assert is_test.mean() == pytest.approx(0.15, abs=0.01) and not is_test[:8_000].any()

    def test_independent_rows_keep_their_side_in_a_small_table(self):
        frame = make_groups([1] * 150)
        rule = HashSplit.from_table(frame, ["key"], 0.2, 3)
        assert rule.threshold is None and not rule.moved

    def test_rule_with_moved_groups_survives_json(self):
        frame = make_groups([300, 260, 240, *[1] * 200], 4)
        rules = [HashSplit.from_table(frame, ["key"], 0.2, seed) for seed in range(20)]
        assert any(rule.moved for rule in rules)
        for rule in rules:
            restored = rule_from_dict(rule.to_dict())
            assert restored == rule and (restored.is_test(frame) == rule.is_test(frame)).all()

    def test_two_groups_are_on_two_sides(self):
        frame = make_groups([500, 500])
        for seed in range(20):
            assert HashSplit.from_table(frame, ["key"], 0.5, seed).is_test(frame).mean() in (0.5, 0, 1)


class TestEqualFeatures:
    @pytest.fixture
    def table(self):
        random = np.random.default_rng(0)
        frame = pd.DataFrame({"a": random.integers(0, 6, 800), "b": random.integers(0, 6, 800)})
        return frame.assign(y=np.where(random.random(800) < 0.03, "rare", "frequent"))

    @pytest.mark.parametrize("seed", range(10))
    def test_equal_features_share_a_side_whatever_the_target(self, table, seed):
        rule = HashSplit.from_table(table, ["a", "b"], 0.2, seed, target_column="y")
        train, test = rule.apply(table)
        features = ["a", "b"]
        assert not len(train[features].drop_duplicates().merge(test[features].drop_duplicates()))

    def test_texts_that_look_alike_are_one_key(self):
        texts = pd.Series(["C7", "C7 ", " C7", "\u00e9t\u00e9", "e\u0301te\u0301", "e\u0301te\u0301\u00a0"])
        hashes = HashSplit(("key",), 0.2, 42).hash_groups(pd.DataFrame({"key": texts}))
        assert len(set(hashes[:3])) == 1 and len(set(hashes[3:])) == 1 and len(set(hashes)) == 2
        encoded = texts.astype(pd.StringDtype("pyarrow", na_value=np.nan)).astype("category")
        assert (HashSplit(("key",), 0.2, 42).hash_groups(pd.DataFrame({"key": encoded})) == hashes).all()


class TestLegacyRules:
    """Rules stored with models of earlier releases select the same rows as they did then."""

    frame = pd.DataFrame({"key": ["C7", "C7 ", "C8", "7"] * 5, "y": list("abab") * 5, "x": range(20)})

    def test_stored_rule_hashes_texts_as_they_are(self):
        rule = rule_from_dict({"columns": ["key"], "test_fraction": 0.5, "seed": 1})
        assert isinstance(rule, LegacyHashSplit)
        assert rule.to_dict() == {"columns": ["key"], "test_fraction": 0.5, "seed": 1}
        assert rule.is_test(self.frame)[:4].tolist() == [False, False, True, True]

    def test_stored_strata_are_obeyed(self):
        values = {
            "columns": ["key", "x", "y"],
            "test_fraction": 0.2,
            "seed": 42,
            "target_column": "y",
            "strata": {"a": 1.0, "b": 0.0},
        }
        rule = rule_from_dict(values)
        assert rule.to_dict() == values
        assert (rule.is_test(self.frame) == (self.frame["y"] == "a")).all()


def test_tolerance_never_empties_a_side():
    assert (
        share.share_tolerance(0.2) == 0.01
        and share.share_tolerance(0.01) == 0.005
        and share.share_tolerance(0.99) < 0.01
    )


class TestChooseThreshold:
    """The choice for tables that are small enough to see the right answer."""

    @staticmethod
    def choose(sizes, test_fraction):
        """Return the share of test rows, and the sizes of the test groups and of the moved groups."""
        sizes = np.array(sizes)
        hashes = ((np.arange(len(sizes)) + 0.5) / len(sizes) * 2.0**64).astype(np.uint64)
        groups = share.Groups(hashes, sizes)
        threshold, moved = share.choose_threshold(groups, test_fraction)
        is_moved = np.isin(hashes, moved)
        is_test = (share.to_unit(hashes) < threshold) ^ is_moved
        assert 0 <= threshold <= 1 and len(moved) == is_moved.sum()
        return sizes[is_test].sum() / sizes.sum(), sizes[is_test].tolist(), sizes[is_moved].tolist()

    def test_threshold_is_the_fraction_if_the_share_is_near(self):
        hashes = ((np.arange(100) + 0.5) / 100 * 2.0**64).astype(np.uint64)
        assert share.choose_threshold(share.Groups(hashes, np.full(100, 50)), 0.2)[0] == 0.2

    def test_threshold_moves_where_it_brings_the_share_nearest(self):
        # The first 13 groups have 95 of 500 rows; at the threshold 0.2, the test would have 40.
        assert self.choose([5] * 10 + [15] * 30, 0.2) == (0.19, [5] * 10 + [15] * 3, [])

    def test_large_groups_below_the_threshold_are_exceptions(self):
        assert self.choose([60, 20, 10, 10], 0.2) == (0.2, [20], [60])

    def test_more_than_half_tests_are_counted_from_the_other_end(self):
        assert self.choose([10, 10, 20, 60], 0.8) == (0.8, [10, 10, 60], [60])

    @pytest.mark.parametrize(("size", "test_share"), [(38, 0.19), (39, 0.195), (40, 0.2), (41, 0.205)])
    def test_a_large_group_within_the_tolerance_is_the_test(self, size, test_share):
        assert self.choose([120, size, 80 - size], 0.2) == (test_share, [size], [120])

    def test_the_nearest_share_is_chosen_if_none_is_near(self):
        assert self.choose([30, 35, 35], 0.1) == (0.3, [30], [])

    def test_training_gets_no_more_than_three_quarters_of_the_hashes(self):
        test_share, test, _ = self.choose([1] * 99 + [900], 0.9)
        assert test.count(1) == 25 and 900 in test

    def test_a_single_group_cannot_be_divided(self):
        assert self.choose([7], 0.2) == (0.0, [], [])

    @pytest.mark.parametrize("fraction", [0.3, 0.7])
    def test_both_parts_have_rows_if_there_are_two_groups(self, fraction):
        assert self.choose([50, 50], fraction) == (0.5, [50], [])


class TestGroups:
    groups = share.Groups.from_hashes(np.array([7, 3, 7, 7, 5], dtype=np.uint64))

    def test_rows_of_equal_hashes_are_counted(self):
        assert self.groups.hashes.tolist() == [3, 5, 7] and self.groups.sizes.tolist() == [1, 1, 3]
        assert self.groups.rows == 5 and self.groups.largest_share == 0.6

    def test_design_effect_is_the_mean_size_of_a_rows_group(self):
        assert self.groups.design_effect == pytest.approx((1 + 1 + 3 * 3) / 5)
        assert share.Groups.from_hashes(np.arange(9, dtype=np.uint64)).design_effect == 1


@pytest.mark.parametrize(
    ("group_share", "fraction", "expected"),
    [(0.2, 0.2, False), (0.21, 0.2, False), (0.22, 0.2, True), (0.22, 0.8, True), (0.2, 0.8, False)],
)
def test_a_group_is_too_large_beyond_the_smaller_part(group_share, fraction, expected):
    assert share.is_too_large(group_share, fraction) is expected


@pytest.mark.parametrize(
    ("test_share", "expected"), [(0.2, True), (0.21, True), (0.19, True), (0.211, False), (0.189, False)]
)
def test_share_is_near_within_a_percentage_point(test_share, expected):
    assert share.is_near(test_share, 0.2) is expected
