"""Metrics: agreement with scikit-learn, direction, positive class, and classes missing from a side of the split."""

import math
import types
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.preprocessing import label_binarize

from lib import metrics
from lib.errors import DataError, NameNotFound, ParameterError
from lib.metrics import METRICS, TASKS, Metric, Predictions

ROWS = 300
CLASSES = {"binary": ["no", "yes"], "multiclass": ["high", "low", "middle"]}
POSITIVE = "no"  # not scikit-learn's default, so that a scorer ignoring it fails


@pytest.fixture(autouse=True)
def no_warnings():
    """Turn warnings into errors, because they would appear in executed notebooks."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def sample_predictions(task):
    """Return true values and predictions that are better than chance."""
    rng = np.random.default_rng(7)
    if task == "regression":
        truth = rng.normal(10, 3, ROWS)
        return truth, Predictions(truth + rng.normal(size=ROWS))
    classes = np.array(CLASSES[task], dtype=object)
    codes = rng.integers(0, len(classes), ROWS)
    probabilities = rng.dirichlet(np.ones(len(classes)), ROWS) + 0.4 * np.eye(len(classes))[codes]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    positive = POSITIVE if task == "binary" else None
    return classes[codes], Predictions(classes[probabilities.argmax(axis=1)], probabilities, classes, positive)


def with_positive_label(function):
    return lambda y, p: function(y, p.labels, pos_label=POSITIVE)


def over_classes(function, **options):
    return lambda y, p: function(label_binarize(y, classes=p.classes), p.probabilities, average="macro", **options)


# Each metric as in scikit-learn's documentation.
SCIKIT_LEARN = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.labels),
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p.labels),
    "precision": with_positive_label(sk.precision_score),
    "recall": with_positive_label(sk.recall_score),
    "f1": with_positive_label(sk.f1_score),
    "roc_auc": lambda y, p: sk.roc_auc_score(y == POSITIVE, p.probabilities[:, 0]),
    "average_precision": lambda y, p: sk.average_precision_score(y, p.probabilities[:, 0], pos_label=POSITIVE),
    "precision_macro": lambda y, p: sk.precision_score(y, p.labels, average="macro"),
    "recall_macro": lambda y, p: sk.recall_score(y, p.labels, average="macro"),
    "f1_macro": lambda y, p: sk.f1_score(y, p.labels, average="macro"),
    "f1_weighted": lambda y, p: sk.f1_score(y, p.labels, average="weighted"),
    "roc_auc_ovr_macro": lambda y, p: sk.roc_auc_score(y, p.probabilities, multi_class="ovr", average="macro"),
    "average_precision_macro": over_classes(sk.average_precision_score),
    "log_loss": lambda y, p: sk.log_loss(y, p.probabilities, labels=p.classes),
    "r2": lambda y, p: sk.r2_score(y, p.labels),
    "rmse": lambda y, p: sk.root_mean_squared_error(y, p.labels),
    "mae": lambda y, p: sk.mean_absolute_error(y, p.labels),
    "mape": lambda y, p: sk.mean_absolute_percentage_error(y, p.labels),
}
EVERY_METRIC = [pytest.param(metric, task, id=f"{task}-{metric.name}") for metric in METRICS for task in metric.tasks]


class TestEveryMetric:
    def test_each_metric_has_a_scikit_learn_counterpart(self):
        assert sorted(metric.name for metric in METRICS) == sorted(SCIKIT_LEARN)

    @pytest.mark.parametrize(("metric", "task"), EVERY_METRIC)
    def test_score_equals_scikit_learn(self, metric, task):
        truth, predictions = sample_predictions(task)
        assert metric.score(truth, predictions) == pytest.approx(SCIKIT_LEARN[metric.name](truth, predictions))

    @pytest.mark.parametrize(("metric", "task"), EVERY_METRIC)
    def test_perfect_predictions_beat_imperfect_ones(self, metric, task):
        truth, predictions = sample_predictions(task)
        if task == "regression":
            perfect = Predictions(truth)
        else:
            exact = (truth[:, None] == predictions.classes).astype(float)
            perfect = Predictions(truth, exact, predictions.classes, predictions.positive_class)
        assert metric.beats(metric.score(truth, perfect), metric.score(truth, predictions))

    @pytest.mark.parametrize(("metric", "task"), EVERY_METRIC)
    def test_index_of_a_series_is_ignored(self, metric, task):
        truth, predictions = sample_predictions(task)
        series = pd.Series(truth, index=np.arange(ROWS)[::-1])
        score = metric.score(series, predictions)
        assert type(score) is float
        assert score == metric.score(truth, predictions)

    @pytest.mark.parametrize("task", TASKS)
    def test_get_returns_every_metric_of_the_task(self, task):
        assert [metrics.get(name, task) for name in metrics.names(task)] == metrics.for_task(task)

    def test_metric_of_another_task_is_refused_with_a_suggestion(self):
        with pytest.raises(
            NameNotFound, match="no metric for a multiclass task 'roc_auc'.*Did you mean 'roc_auc_ovr_macro'"
        ):
            metrics.get("roc_auc", "multiclass")


class TestDirection:
    up, down = Metric("up", TASKS, max), Metric("down", TASKS, max, greater_is_better=False)

    def test_only_a_strictly_better_score_beats(self):
        assert self.up.beats(2, 1) and not self.up.beats(1, 2) and not self.up.beats(1, 1)
        assert self.down.beats(1, 2) and not self.down.beats(2, 1) and not self.down.beats(1, 1)

    def test_equal_score_reaches_the_threshold(self):
        assert self.up.reaches(1, 1) and self.up.reaches(2, 1) and not self.up.reaches(0, 1)
        assert self.down.reaches(1, 1) and self.down.reaches(0, 1) and not self.down.reaches(2, 1)

    @pytest.mark.parametrize("metric", [up, down])
    def test_nan_beats_and_reaches_nothing(self, metric):
        assert not metric.beats(math.nan, 0) and not metric.reaches(math.nan, 0)

    def test_best_score_ranks_first(self):
        scores = {"a": 0.2, "b": 0.9, "c": 0.5}
        assert self.up.rank(scores) == ["b", "c", "a"]
        assert self.down.rank(scores) == ["a", "c", "b"]

    @pytest.mark.parametrize("metric", [up, down])
    def test_nan_ranks_last_and_ties_keep_their_order(self, metric):
        scores = {"first nan": math.nan, "first": 1.0, "second nan": math.nan, "second": 1.0}
        assert metric.rank(scores) == ["first", "second", "first nan", "second nan"]

    def test_lower_is_better_for_errors_and_log_loss(self):
        lower = {metric.name for metric in METRICS if metric.direction == "lower is better"}
        assert lower == {"log_loss", "rmse", "mae", "mape"}


class TestPositiveClass:
    def test_default_is_the_second_class(self):
        assert metrics.find_positive_class(["no", "yes"]) == "yes"
        assert metrics.find_positive_class(["no", "yes"], "") == "yes"

    @pytest.mark.parametrize(
        ("classes", "given", "expected"),
        [
            (["nein", "ja"], "  ja\t", "ja"),
            (["nein", "sp\u00e4t"], "spa\u0308t", "sp\u00e4t"),
            (["nein", "spa\u0308t"], "sp\u00e4t", "spa\u0308t"),
            (["bad", "very good"], "Very  Good", "very good"),
            ([0, 1], 1.0, 1),
            (["stra\u00dfe", "weg"], "STRASSE", "stra\u00dfe"),
        ],
    )
    def test_positive_class_is_normalized_as_labels_are(self, classes, given, expected):
        assert metrics.find_positive_class(classes, given) == expected

    @pytest.mark.parametrize(
        ("classes", "wanted", "expected"),
        [([0, 1], 0, 0), (["0", "1"], 0, "0"), ([False, True], "false", False), (["No", "Yes"], "no", "No")],
    )
    def test_class_is_matched_by_its_text(self, classes, wanted, expected):
        assert metrics.find_positive_class(np.array(classes), wanted) == expected

    def test_unknown_class_is_refused_with_a_suggestion(self):
        with pytest.raises(ParameterError, match="positive_class: 'yess'.*Did you mean 'yes'"):
            metrics.find_positive_class(["no", "yes"], "yess")

    def test_recall_refers_to_the_positive_class(self):
        model = types.SimpleNamespace(
            classes_=np.array(["no", "yes"]),
            predict=lambda X: np.array(["no", "no", "yes", "no"]),
            predict_proba=lambda X: np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]]),
        )
        truth, recall = ["no", "no", "yes", "yes"], metrics.get("recall", "binary")
        assert recall.score(truth, metrics.predict(model, None, "binary")) == 0.5
        inverted = metrics.predict(model, None, "binary", "no")
        assert recall.score(truth, inverted) == 1.0
        assert list(inverted.positive_probability) == [0.9, 0.6, 0.2, 0.7]


class TestClassesMissingFromOneSide:
    """As in small tables: a class without test rows, or without training rows."""

    known = np.array(["a", "b", "c"], dtype=object)
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1]])
    predictions = Predictions(known[probabilities.argmax(axis=1)], probabilities, known)

    def score(self, name, truth):
        return metrics.get(name, "multiclass").score(pd.Series(truth), self.predictions)

    def test_class_without_test_rows_is_left_out_of_averages(self):
        truth = ["a", "b", "a", "b"]
        assert self.score("balanced_accuracy", truth) == 0.75
        assert self.score("roc_auc_ovr_macro", truth) == pytest.approx((1 + 0.75) / 2)
        assert self.score("log_loss", truth) == pytest.approx(-np.mean(np.log([0.7, 0.2, 0.6, 0.8])))

    def test_class_unknown_to_the_model_counts_as_never_predicted(self):
        truth = ["a", "z", "a", "b"]
        assert self.score("accuracy", truth) == 0.75
        assert self.score("balanced_accuracy", truth) == pytest.approx(2 / 3)
        assert self.score("roc_auc_ovr_macro", truth) == pytest.approx((1 + 1 + 0.5) / 3)
        assert self.score("log_loss", truth) > 5

    @pytest.mark.parametrize("truth", [["a", "b", "a", "b"], ["a", "z", "a", "b"], ["a", "b", "c", "c"]])
    @pytest.mark.parametrize("metric", metrics.for_task("multiclass"), ids=lambda metric: metric.name)
    def test_no_metric_warns(self, metric, truth):
        assert math.isfinite(metric.score(pd.Series(truth), self.predictions))

    def test_confusion_matrix_has_a_row_for_each_class(self):
        counts = metrics.confusion_matrix(["a", "z", "a", "b"], self.predictions)
        assert list(counts.index) == list(counts.columns) == ["a", "b", "c", "z"]
        assert counts.to_numpy().tolist() == [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
        assert (counts.index.name, counts.columns.name) == ("actual", "predicted")

    def test_confusion_matrix_of_a_single_class_does_not_warn(self):
        predictions = Predictions(np.array(["a"], dtype=object), np.array([[1.0, 0.0]]), self.known[:2], "b")
        assert metrics.confusion_matrix(["a"], predictions).to_numpy().tolist() == [[1, 0], [0, 0]]

    @pytest.mark.parametrize("name", ["roc_auc_ovr_macro", "average_precision_macro"])
    def test_ranking_metric_refuses_a_single_class(self, name):
        with pytest.raises(DataError, match="rows of at least two classes.*all 4 rows have the class 'a'"):
            self.score(name, ["a"] * 4)

    def test_precision_of_a_never_predicted_class_is_zero(self):
        never = Predictions(np.array([0, 0, 0]), np.array([[0.9, 0.1]] * 3), np.array([0, 1]), 1)
        assert metrics.get("precision", "binary").score([0, 1, 1], never) == 0.0


class TestTypes:
    @pytest.mark.parametrize("labels", [[False, True], [0, 1], [1, 2], ["a", "b"]], ids=str)
    @pytest.mark.parametrize("metric", metrics.for_task("binary"), ids=lambda metric: metric.name)
    def test_labels_of_any_type_can_be_scored(self, metric, labels):
        classes = np.array(labels)
        probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        predictions = Predictions(classes[[0, 1, 0]], probabilities, classes, labels[1])
        perfect = metric.score(pd.Series(classes[[0, 1, 0]]), predictions)
        assert perfect == pytest.approx(1.0 if metric.name != "log_loss" else -np.mean(np.log([0.9, 0.8, 0.6])))

    def test_32_bit_probabilities_do_not_warn(self):
        rng = np.random.default_rng(0)
        single = rng.random((200, 7)).astype("float32")
        single /= single.sum(axis=1, keepdims=True)
        model = types.SimpleNamespace(
            classes_=np.arange(7), predict=lambda X: single.argmax(axis=1), predict_proba=lambda X: single
        )
        predictions = metrics.predict(model, None, "multiclass")
        truth = single.argmax(axis=1)
        expected = -np.log(single[np.arange(200), truth].astype(float)).mean()
        assert metrics.get("log_loss", "multiclass").score(truth, predictions) == pytest.approx(expected, rel=1e-6)

    def test_regression_predicts_floats_without_classes(self):
        model = types.SimpleNamespace(predict=lambda X: np.array([1, 2], dtype="float32"))
        predictions = metrics.predict(model, None, "regression")
        assert (
            predictions.labels.dtype == float
            and predictions.probabilities is None
            and predictions.positive_class is None
        )

    def test_r2_of_one_row_is_nan(self):
        assert math.isnan(metrics.get("r2", "regression").score([1.0], Predictions(np.array([1.0]))))


def test_exact_positive_class_wins_over_another_case():
    assert metrics.find_positive_class(["A", "a"], "a") == "a"
    assert metrics.find_positive_class([False, True], "true") is True
