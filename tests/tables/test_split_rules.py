"""Splits by group and by time, and stratified splits of rare classes."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import DataError, NameNotFound
from lib.tables.split.rules import HashSplit, TimeSplit, rule_from_dict

ROWS = 1_000


@pytest.fixture
def table():
    random = np.random.default_rng(0)
    days = pd.date_range("2023-01-01", periods=ROWS, freq="8h")
    return pd.DataFrame(
        {
            "customer": random.integers(0, 100, ROWS),
            "amount": random.normal(size=ROWS),
            "when": days.strftime("%d/%m/%Y %H:%M"),
            "iso": days,
            "label": np.where(np.arange(ROWS) < 8, "fraud", "honest"),
        }
    )


def stratify(rule, table):
    """Return the rule with groups of rare labels moved."""
    return rule.stratify(table["label"], rule.hash_groups(table))


class TestGroups:
    def test_rows_of_one_customer_are_on_one_side(self, table):
        train, test = HashSplit(("customer",), 0.3, 1).apply(table)
        assert not set(train["customer"]) & set(test["customer"]) and len(train) + len(test) == ROWS

    def test_message_counts_groups_if_a_side_is_empty(self, table):
        with pytest.raises(DataError, match="1000 rows, 1 distinct values of customer, test_fraction=0.3"):
            HashSplit(("customer",), 0.3, 1).check_sides(1000, 0, keys=1)


class TestMissingTimes:
    @pytest.mark.parametrize("name", ["when", "iso"])
    def test_rows_without_a_time_train(self, table, name):
        table.loc[::4, name] = None
        rule = TimeSplit.from_table(table, name, "", 0.2)
        train, test = rule.apply(table)
        assert len(test) == pytest.approx(0.2 * 0.75 * ROWS, abs=2) and train[name].isna().sum() == ROWS / 4

    def test_column_without_times_is_refused(self, table):
        with pytest.raises(DataError, match="time_column: when contains no dates or times: all its values are missing"):
            TimeSplit.from_table(table.assign(when=np.nan), "when", "", 0.2)


class TestRareClasses:
    rule = HashSplit(("amount", "customer", "iso", "label", "when"), 0.25, 42)

    @pytest.mark.parametrize("seed", range(20))
    def test_two_of_eight_rows_test_for_any_seed(self, table, seed):
        rule = stratify(HashSplit(self.rule.columns, 0.25, seed), table)
        train, test = rule.apply(table)
        assert (test["label"] == "fraud").sum() == 2 and (train["label"] == "fraud").sum() == 6

    def test_rows_of_frequent_classes_keep_their_side(self, table):
        honest = (table["label"] == "honest").to_numpy()
        is_test = stratify(self.rule, table).is_test(table)
        assert (is_test[honest] == self.rule.is_test(table)[honest]).all()

    def test_rows_with_equal_features_stay_together(self, table):
        columns = ["amount", "customer"]
        twins = pd.concat([table, table.head(8).assign(label="honest")], ignore_index=True)
        for seed in range(20):
            rule = HashSplit.from_table(twins, columns, 0.25, seed, "label")
            is_test = rule.is_test(twins)
            assert (is_test[:8] == is_test[ROWS:]).all() and is_test[:8].sum() == 2

    def test_single_row_of_a_class_trains(self, table):
        table.loc[8:, "label"] = "honest"
        table.loc[0, "label"] = "lonely"
        train, _ = stratify(self.rule, table).apply(table)
        assert "lonely" in set(train["label"])

    @pytest.mark.parametrize("seed", range(10))
    @pytest.mark.parametrize("rows_of_class", [2, 3, 4])
    def test_every_rare_class_has_a_test_row_and_a_training_row(self, table, seed, rows_of_class):
        table["label"] = "honest"
        table.loc[: 3 * rows_of_class - 1, "label"] = [f"rare {number % 3}" for number in range(3 * rows_of_class)]
        train, test = stratify(HashSplit(self.rule.columns, 0.2, seed), table).apply(table)
        for name in ("rare 0", "rare 1", "rare 2"):
            assert (test["label"] == name).sum() == 1 and (train["label"] == name).sum() == rows_of_class - 1

    def test_rule_without_rare_classes_is_unchanged(self, table):
        table["label"] = np.where(np.arange(ROWS) % 2, "a", "b")
        assert stratify(self.rule, table) is self.rule

    def test_rule_survives_a_round_trip_through_json(self, table):
        rule = stratify(self.rule, table)
        assert (rule_from_dict(rule.to_dict()).is_test(table) == rule.is_test(table)).all()


class TestTime:
    @pytest.mark.parametrize("column", ["when", "iso"])
    def test_latest_rows_test(self, table, column):
        rule = TimeSplit.from_table(table, column, "", 0.2)
        train, test = rule.apply(table)
        assert len(test) == 200 and train["iso"].max() < test["iso"].min()

    def test_cut_is_the_first_test_date(self, table):
        train, test = TimeSplit.from_table(table, "iso", "2023-06-01", 0.2).apply(table)
        assert test["iso"].min() == pd.Timestamp("2023-06-01") and train["iso"].max() < pd.Timestamp("2023-06-01")

    def test_rows_without_a_time_train(self, table):
        table.loc[[3, 900], "iso"] = pd.NaT
        assert not TimeSplit.from_table(table, "iso", "2023-06-01", 0.2).is_test(table)[[3, 900]].any()

    def test_column_of_years_can_split_by_time(self, table):
        table["year"] = 2000 + np.arange(ROWS) // 100
        assert TimeSplit.from_table(table, "year", "2008", 0.2).is_test(table).sum() == 200

    def test_rule_survives_a_round_trip_through_json(self, table):
        rule = TimeSplit.from_table(table, "when", "", 0.2)
        assert rule_from_dict(rule.to_dict()) == rule

    @pytest.mark.parametrize(("fraction", "test_days"), [(0.2, 1), (0.25, 1), (0.3, 2), (0.9, 2)])
    def test_cut_falls_between_days_nearest_to_the_share(self, fraction, test_days):
        days = pd.to_datetime(["2024-04-01"] * 331 + ["2024-04-15"] * 200 + ["2024-05-01"] * 69)
        frame = pd.DataFrame({"when": days})
        rule = TimeSplit.from_table(frame, "when", "", fraction)
        train, test = rule.apply(frame)
        assert not set(train["when"]) & set(test["when"]) and test["when"].nunique() == test_days
        boundary = ["2024-04-01 and 2024-04-15", "2024-04-15 and 2024-05-01"][2 - test_days]
        assert rule.describe_cut(frame) == f"between {boundary}"

    @pytest.mark.parametrize(
        ("rows", "fraction", "test_rows"), [(10, 0.25, 2), (10, 0.26, 3), (10, 0.34, 3), (10, 0.36, 4), (7, 0.01, 1)]
    )
    def test_share_of_distinct_times_is_rounded_to_the_nearest_row(self, rows, fraction, test_rows):
        frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=rows)})
        is_test = TimeSplit.from_table(frame, "when", "", fraction).is_test(frame)
        # Of two equally near cuts, the earlier one has more test rows.
        expected = test_rows + 1 if (rows, fraction) == (10, 0.25) else test_rows
        assert is_test.sum() == expected and is_test[-expected:].all()

    def test_single_time_is_refused(self):
        frame = pd.DataFrame({"when": pd.to_datetime(["2024-04-01"] * 30)})
        with pytest.raises(DataError, match="all rows have the same when, 2024-04-01; expected at least two times"):
            TimeSplit.from_table(frame, "when", "", 0.2)
        with pytest.raises(DataError, match="all rows have the same year, 2020;"):
            TimeSplit.from_table(frame.assign(year=2020), "year", "", 0.2)

    def test_invalid_time_column_or_cut_is_refused(self, table):
        with pytest.raises(DataError, match="time_column: label contains no dates or times, e.g. 'fraud'"):
            TimeSplit.from_table(table, "label", "", 0.2)
        with pytest.raises(DataError, match="time_cut: 'soon' cannot be compared with iso"):
            TimeSplit.from_table(table, "iso", "soon", 0.2)
        with pytest.raises(NameNotFound, match="no column 'wehn' .*time_column.*Did you mean 'when'"):
            TimeSplit.from_table(table, "wehn", "", 0.2)
        with pytest.raises(DataError, match="has no rows: 1000 rows, iso from 2099-01-01 on"):
            TimeSplit.from_table(table, "iso", "2099-01-01", 0.2).check_sides(1000, 0, keys=1000)


def test_columns_are_moved_out_of_a_frame_not_kept(table):
    rule = HashSplit(("amount",), 0.2, 1)
    train, test = rule.apply(table.copy(), keep_frame=True)
    other = rule.apply(table, keep_frame=False)
    pd.testing.assert_frame_equal(train, other[0])
    pd.testing.assert_frame_equal(test, other[1])
    assert table.shape[1] == 0 and rule.matches(*other) and not rule.matches(test, train)


@pytest.mark.parametrize("moved", ["training row", "test row"])
def test_rule_does_not_match_frames_with_a_row_on_the_wrong_side(table, moved):
    rule = TimeSplit.from_table(table, "iso", "", 0.2)
    train, test = (side.copy() for side in rule.apply(table))
    assert rule.matches(train, test)
    if moved == "training row":
        test = pd.concat([test, train.head(1)], ignore_index=True)
    else:
        train = pd.concat([train, test.head(1)], ignore_index=True)
    assert not rule.matches(train, test)
