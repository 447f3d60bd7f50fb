"""Thresholds that are chosen from out-of-fold predictions, and the rules that apply them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from lib.errors import DataError, ParameterError
from lib.evaluation import decisions
from lib.evaluation.costs import BinaryCosts, read_amounts
from lib.evaluation.decisions import make_binary_rows, make_rule
from lib.evaluation.folds import FOLDS, make_folds
from lib.evaluation.out_of_fold import OutOfFold, predict_out_of_fold
from lib.evaluation.thresholds import choose_threshold, compute_curve, estimate_interval
from lib.metrics import Predictions
from lib.parameters import Parameters, load
from lib.parameters.thresholds import parse_threshold
from lib.scoring.decision_rules import CostRule, ThresholdRule

COSTS = BinaryCosts(false_negative=500, false_positive=20)
DEFAULTS = load([]).values


def sample(rows=400, seed=0, decimals=None):
    """Return true classes, and the predictions of a model that knows the probabilities."""
    random = np.random.default_rng(seed)
    probabilities = random.beta(1, 6, rows)
    y = pd.Series(np.where(random.random(rows) < probabilities, "yes", "no"))
    if decimals is not None:
        probabilities = probabilities.round(decimals)
    classes = np.array(["no", "yes"])
    both = np.column_stack([1 - probabilities, probabilities])
    return y, Predictions(classes[both.argmax(axis=1)], both, classes, "yes")


def rows_of(y, predictions, **options):
    return make_binary_rows(y, predictions, COSTS, **options)


def predict_at(threshold, predictions):
    return predictions.classes[ThresholdRule(1, threshold).choose(predictions.probabilities)]


def cost_of(y, labels):
    (_, false_positives), (false_negatives, _) = confusion_matrix(y, labels, labels=["no", "yes"])
    return 500 * false_negatives + 20 * false_positives


@pytest.fixture(params=[(0, None), (1, None), (2, 1), (3, 2)], ids=str)
def case(request):
    """Return a sample; with rounded probabilities, many rows have the same one."""
    seed, decimals = request.param
    return sample(seed=seed, decimals=decimals)


def all_labels(predictions):
    """Yield the labels at every threshold that matters."""
    for threshold in [*np.unique(predictions.positive_probability), 1.1]:
        yield predict_at(threshold, predictions)


def test_cost_threshold_is_the_cheapest_of_all(case):
    y, predictions = case
    chosen = choose_threshold(rows_of(y, predictions), parse_threshold("cost"))
    cheapest = min(cost_of(y, labels) for labels in all_labels(predictions))
    assert cost_of(y, predict_at(chosen, predictions)) == cheapest < cost_of(y, predictions.labels)


def test_f1_threshold_is_the_best_of_all(case):
    y, predictions = case
    chosen = choose_threshold(rows_of(y, predictions), parse_threshold("f1"))
    best = max(f1_score(y, labels, pos_label="yes", zero_division=0) for labels in all_labels(predictions))
    assert f1_score(y, predict_at(chosen, predictions), pos_label="yes") == pytest.approx(best)


@pytest.mark.parametrize("recall", [0.1, 0.8, 1.0])
def test_recall_threshold_is_the_highest_that_reaches_it(case, recall):
    y, predictions = case
    chosen = choose_threshold(rows_of(y, predictions), parse_threshold(f"recall:{recall}"))
    reached = recall_score(y, predict_at(chosen, predictions), pos_label="yes")
    higher = [p for p in np.unique(predictions.positive_probability) if p > chosen][1:]
    assert reached >= recall
    assert all(recall_score(y, predict_at(p, predictions), pos_label="yes") <= reached for p in higher)
    assert not higher or recall_score(y, predict_at(higher[0], predictions), pos_label="yes") < recall


def test_precision_threshold_has_the_highest_recall_that_allows_it(case):
    y, predictions = case
    chosen = choose_threshold(rows_of(y, predictions), parse_threshold("precision:0.3"))
    labels = predict_at(chosen, predictions)
    assert precision_score(y, labels, pos_label="yes") >= 0.3
    for other in all_labels(predictions):
        if precision_score(y, other, pos_label="yes", zero_division=0) >= 0.3:
            assert recall_score(y, other, pos_label="yes") <= recall_score(y, labels, pos_label="yes")


def test_unreachable_precision_says_what_can_be_reached():
    y, predictions = sample()
    flipped = Predictions(predictions.labels, predictions.probabilities[:, ::-1], predictions.classes, "yes")
    with pytest.raises(DataError, match=r"no threshold reaches the precision 1 .* the highest is 0\.\d+"):
        choose_threshold(rows_of(y, flipped), parse_threshold("precision:1"))


def test_calling_nobody_and_calling_everybody_can_be_the_cheapest():
    y, predictions = sample()
    expensive_calls = make_binary_rows(y, predictions, BinaryCosts(false_negative=1, false_positive=1_000))
    expensive_misses = make_binary_rows(y, predictions, BinaryCosts(false_negative=1_000_000, false_positive=0.01))
    assert choose_threshold(expensive_calls, parse_threshold("cost")) > predictions.positive_probability.max() * 0.9
    assert set(predict_at(choose_threshold(expensive_misses, parse_threshold("cost")), predictions)[y == "yes"]) == {
        "yes"
    }


def test_weights_count_like_repeated_rows():
    y, predictions = sample(60)
    weights = np.arange(60) % 3
    repeated = np.repeat(np.arange(60), weights)
    heavy = Predictions(predictions.labels[repeated], predictions.probabilities[repeated], predictions.classes, "yes")
    for goal in ("cost", "f1", "recall:0.7"):
        weighted = choose_threshold(rows_of(y, predictions, weights=weights.astype(float)), parse_threshold(goal))
        expected = choose_threshold(rows_of(y.iloc[repeated], heavy), parse_threshold(goal))
        np.testing.assert_array_equal(predict_at(weighted, heavy), predict_at(expected, heavy))


def test_amounts_make_expensive_rows_count_more():
    y, predictions = sample(2_000)
    costs = BinaryCosts(false_negative=1, false_positive=20)
    amounts = np.where(np.arange(2_000) % 2, 1.0, 1_000.0)
    rows = make_binary_rows(y, predictions, costs, amounts)
    curve = compute_curve(rows)
    called = predict_at(curve.thresholds[curve.costs.argmin()], predictions) == "yes"
    missed = (y == "yes").to_numpy() & ~called
    assert curve.costs.min() == pytest.approx(amounts[missed].sum() + 20 * (called & (y == "no")).sum())


def test_interval_contains_the_threshold_and_narrows_with_more_rows():
    widths = []
    for rows in (300, 20_000):
        binary_rows = rows_of(*sample(rows))
        low, high = estimate_interval(binary_rows, parse_threshold("cost"), seed=0)
        assert low <= choose_threshold(binary_rows, parse_threshold("cost")) <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    # The model knows the probabilities, so the best threshold follows from the costs alone.
    assert low < 20 / 520 < high


class TestRule:
    """`make_rule`: from parameters to a rule."""

    def make(self, y, predict=None, X=None, **changes):
        parameters = Parameters({**DEFAULTS, "task": "binary", "target_column": "churn", **changes})
        X = pd.DataFrame({"size": range(len(y))}) if X is None else X
        return make_rule(parameters, X, y.rename("churn"), predict or (lambda: pytest.fail("not needed")))

    def test_default_makes_none(self):
        assert self.make(sample()[0]) is None
        assert self.make(sample()[0], costs={"false_negative": 5}) is None

    def test_number_is_taken_as_it_is(self):
        assert self.make(sample()[0], threshold=0.2) == ThresholdRule(1, 0.2, "0.2")
        assert self.make(sample()[0], threshold=0.2, positive_class="no").positive_column == 0

    @pytest.mark.parametrize("threshold", ["cost", "f1", "recall:0.8"])
    def test_goal_is_reached_on_the_predictions(self, threshold):
        y, predictions = sample()
        rule = self.make(
            y,
            lambda: OutOfFold(np.arange(len(y)), predictions),
            threshold=threshold,
            costs={"false_negative": 500, "false_positive": 20},
        )
        assert rule.threshold == choose_threshold(rows_of(y, predictions), parse_threshold(threshold))
        assert rule.origin == threshold and rule.interval[0] <= rule.threshold <= rule.interval[1]

    def test_costs_by_class_mean_the_same_as_costs_by_outcome(self):
        y, predictions = sample()
        rules = [
            self.make(y, lambda: OutOfFold(np.arange(len(y)), predictions), threshold="cost", costs=costs)
            for costs in (
                {"false_negative": 500, "false_positive": 20},
                {"yes": {"no": 500}, "no": {"yes": 20}},
            )
        ]
        assert rules[0] == rules[1]

    def test_unknown_class_is_named(self):
        costs = {"yes": {"no": 500}, "maybe": {"yes": 20}}
        with pytest.raises(ParameterError, match="costs: 'maybe' is not a class of churn"):
            self.make(sample()[0], threshold="cost", costs=costs)

    def test_multiclass_rule_minimizes_the_expected_cost(self):
        y = pd.Series(["cat", "dog", "owl"] * 10)
        rule = self.make(
            y, task="multiclass", threshold="cost", costs={"owl": {"cat": 50, "dog": 50}, "cat": {"dog": 1}}
        )
        assert rule == CostRule(((0, 1, 0), (0, 0, 0), (50, 50, 0)))
        probabilities = np.array([[0.6, 0.39, 0.01], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0]])
        expected = [np.argmin(row @ np.array(rule.costs)) for row in probabilities]
        assert rule.choose(probabilities).tolist() == expected

    def test_missing_cost_column_suggests_the_nearest(self):
        X = pd.DataFrame({"amount": np.ones(400)})
        with pytest.raises(ParameterError, match="no column 'amout'. Did you mean 'amount'"):
            self.make(sample()[0], X=X, threshold="cost", cost_column="amout")

    @pytest.mark.parametrize("value", [None, -1, "much", np.inf])
    def test_amounts_must_be_numbers(self, value):
        with pytest.raises(DataError, match="1 of 3 values of amount are not numbers of at least 0"):
            read_amounts(pd.DataFrame({"amount": pd.Series([1, value, 2], dtype=object)}), "amount")


class TestFolds:
    """Out-of-fold predictions respect the split."""

    def test_rows_of_a_key_share_a_fold(self):
        X = pd.DataFrame({"key": np.repeat(np.arange(50), 4), "row": range(200)})
        y = pd.Series(np.arange(200) % 2)
        for train, held_out in make_folds(X, y, {"columns": ["key"], "normalized": True}, "binary", 0):
            assert not set(X["key"].iloc[train]) & set(X["key"].iloc[held_out])

    def test_equal_rows_share_a_fold_without_keys(self):
        X = pd.DataFrame({"size": np.repeat(np.arange(50), 4)})
        for train, held_out in make_folds(X, pd.Series(np.arange(200) % 2), None, "binary", 0):
            assert not set(X["size"].iloc[train]) & set(X["size"].iloc[held_out])

    def test_later_rows_are_predicted_from_earlier_ones(self):
        days = pd.Series(pd.date_range("2024-01-01", periods=200)).sample(frac=1, random_state=0, ignore_index=True)
        folds = make_folds(
            pd.DataFrame({"day": days}), days.dt.day % 2, {"columns": ["day"], "cut": "2025"}, "binary", 0
        )
        assert len(folds) == FOLDS
        assert all(days.iloc[train].max() < days.iloc[held_out].min() for train, held_out in folds)

    def test_every_row_is_predicted_by_a_model_of_other_rows(self):
        X, y = pd.DataFrame({"size": np.arange(100.0)}), pd.Series(np.arange(100) % 2)

        class Memory:
            classes_ = np.array([0, 1])

            def __init__(self, sizes):
                self.sizes = set(sizes)

            def predict_proba(self, rows):
                assert not self.sizes & set(rows["size"])
                return np.full((len(rows), 2), 0.5)

        result = predict_out_of_fold(lambda X, y: Memory(X["size"]), X, y, None, "binary")
        assert result.rows.tolist() == list(range(100)) and (result.predictions.probabilities == 0.5).all()

    def test_rare_class_is_refused_with_its_count(self):
        y = pd.Series(["no"] * 100 + ["yes"] * 9, name="churn")
        with pytest.raises(DataError, match="at least 10 rows of each class of churn; 'yes' has 9"):
            predict_out_of_fold(None, pd.DataFrame({"size": range(109)}), y, None, "binary")


def test_rule_needs_both_classes_among_the_held_out_rows():
    y, predictions = sample()
    negative = np.flatnonzero(y == "no")
    subset = Predictions(predictions.labels[negative], predictions.probabilities[negative], predictions.classes, "yes")
    parameters = Parameters({**DEFAULTS, "task": "binary", "target_column": "churn", "threshold": "f1"})
    with pytest.raises(DataError, match="one class only"):
        decisions.make_rule(parameters, pd.DataFrame({"size": y}), y, lambda: OutOfFold(negative, subset))
