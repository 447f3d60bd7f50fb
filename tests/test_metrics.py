"""Every metric against scikit-learn, and what is our own: direction, positive class, classes that come and go."""

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
POSITIVE = "no"  # not scikit-learn's choice, so that a scorer that forgets it is found out


@pytest.fixture(autouse=True)
def no_warnings():
    """A warning would stand in an executed notebook, for people to wonder at."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def scored(task):
    """Truth and predictions that are better than chance."""
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


def of_positive(function):
    return lambda y, p: function(y, p.labels, pos_label=POSITIVE)


def over_classes(function, **options):
    return lambda y, p: function(label_binarize(y, classes=p.classes), p.probabilities, average="macro", **options)


# Each as scikit-learn's own documentation would have one write it.
BY_SCIKIT_LEARN = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.labels),
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p.labels),
    "precision": of_positive(sk.precision_score),
    "recall": of_positive(sk.recall_score),
    "f1": of_positive(sk.f1_score),
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
    def test_has_its_counterpart_here(self):
        assert sorted(metric.name for metric in METRICS) == sorted(BY_SCIKIT_LEARN)

    @pytest.mark.parametrize(("metric", "task"), EVERY_METRIC)
    def test_is_what_scikit_learn_says(self, metric, task):
        truth, predictions = scored(task)
        assert metric.score(truth, predictions) == pytest.approx(BY_SCIKIT_LEARN[metric.name](truth, predictions))

    @pytest.mark.parametrize(("metric", "task"), EVERY_METRIC)
    def test_prefers_the_truth_to_a_guess(self, metric, task):
        truth, predictions = scored(task)
        if task == "regression":
            perfect = Predictions(truth)
        else:
            exact = (truth[:, None] == predictions.classes).astype(float)
            perfect = Predictions(truth, exact, predictions.classes, predictions.positive_class)
        assert metric.beats(metric.score(truth, perfect), metric.score(truth, predictions))

    @pytest.mark.parametrize(("metric", "task"), EVERY_METRIC)
    def test_takes_a_series_with_any_index(self, metric, task):
        truth, predictions = scored(task)
        series = pd.Series(truth, index=np.arange(ROWS)[::-1])
        score = metric.score(series, predictions)
        assert type(score) is float
        assert score == metric.score(truth, predictions)

    @pytest.mark.parametrize("task", TASKS)
    def test_is_found_by_its_name(self, task):
        assert [metrics.get(name, task) for name in metrics.names(task)] == metrics.for_task(task)

    def test_of_another_task_is_not_found_and_the_nearest_is_named(self):
        with pytest.raises(
            NameNotFound, match="no metric for a multiclass task 'roc_auc'.*Did you mean 'roc_auc_ovr_macro'"
        ):
            metrics.get("roc_auc", "multiclass")


class TestDirection:
    up, down = Metric("up", TASKS, max), Metric("down", TASKS, max, greater_is_better=False)

    def test_the_better_score_beats_and_an_equal_one_does_not(self):
        assert self.up.beats(2, 1) and not self.up.beats(1, 2) and not self.up.beats(1, 1)
        assert self.down.beats(1, 2) and not self.down.beats(2, 1) and not self.down.beats(1, 1)

    def test_a_threshold_is_reached_by_itself(self):
        assert self.up.reaches(1, 1) and self.up.reaches(2, 1) and not self.up.reaches(0, 1)
        assert self.down.reaches(1, 1) and self.down.reaches(0, 1) and not self.down.reaches(2, 1)

    @pytest.mark.parametrize("metric", [up, down])
    def test_no_number_beats_and_reaches_nothing(self, metric):
        assert not metric.beats(math.nan, 0) and not metric.reaches(math.nan, 0)

    def test_the_best_is_ranked_first(self):
        scores = {"a": 0.2, "b": 0.9, "c": 0.5}
        assert self.up.rank(scores) == ["b", "c", "a"]
        assert self.down.rank(scores) == ["a", "c", "b"]

    @pytest.mark.parametrize("metric", [up, down])
    def test_no_number_is_ranked_last_and_equals_keep_their_order(self, metric):
        scores = {"first nan": math.nan, "one": 1.0, "second nan": math.nan, "another one": 1.0}
        assert metric.rank(scores) == ["one", "another one", "first nan", "second nan"]

    def test_errors_are_better_lower(self):
        lower = {metric.name for metric in METRICS if metric.direction == "lower is better"}
        assert lower == {"log_loss", "rmse", "mae", "mape"}


class TestPositiveClass:
    def test_is_the_second_where_none_is_asked_for(self):
        assert metrics.find_positive_class(["no", "yes"]) == "yes"
        assert metrics.find_positive_class(["no", "yes"], "") == "yes"

    @pytest.mark.parametrize(
        ("classes", "asked", "found"),
        [([0, 1], 0, 0), (["0", "1"], 0, "0"), ([False, True], "false", False), (["No", "Yes"], "no", "No")],
    )
    def test_is_found_by_its_text(self, classes, asked, found):
        assert metrics.find_positive_class(np.array(classes), asked) == found

    def test_that_is_no_class_is_refused_with_the_nearest(self):
        with pytest.raises(ParameterError, match="positive_class: 'yess'.*Did you mean 'yes'"):
            metrics.find_positive_class(["no", "yes"], "yess")

    def test_changes_what_recall_speaks_of(self):
        model = types.SimpleNamespace(
            classes_=np.array(["no", "yes"]),
            predict=lambda X: np.array(["no", "no", "yes", "no"]),
            predict_proba=lambda X: np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]]),
        )
        truth, recall = ["no", "no", "yes", "yes"], metrics.get("recall", "binary")
        assert recall.score(truth, metrics.predict(model, None, "binary")) == 0.5
        asked = metrics.predict(model, None, "binary", "no")
        assert recall.score(truth, asked) == 1.0
        assert list(asked.positive_probability) == [0.9, 0.6, 0.2, 0.7]


class TestClassesThatComeAndGo:
    """As on small tables: a class that no test row has, or that no training row had."""

    known = np.array(["a", "b", "c"], dtype=object)
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1]])
    predictions = Predictions(known[probabilities.argmax(axis=1)], probabilities, known)

    def score(self, name, truth):
        return metrics.get(name, "multiclass").score(pd.Series(truth), self.predictions)

    def test_a_class_only_the_model_knows_is_left_out_of_averages_over_the_truth(self):
        truth = ["a", "b", "a", "b"]
        assert self.score("balanced_accuracy", truth) == 0.75
        assert self.score("roc_auc_ovr_macro", truth) == pytest.approx((1 + 0.75) / 2)
        assert self.score("log_loss", truth) == pytest.approx(-np.mean(np.log([0.7, 0.2, 0.6, 0.8])))

    def test_a_class_only_the_truth_has_counts_as_never_predicted(self):
        truth = ["a", "z", "a", "b"]
        assert self.score("accuracy", truth) == 0.75
        assert self.score("balanced_accuracy", truth) == pytest.approx(2 / 3)
        assert self.score("roc_auc_ovr_macro", truth) == pytest.approx((1 + 1 + 0.5) / 3)
        assert self.score("log_loss", truth) > 5

    @pytest.mark.parametrize("truth", [["a", "b", "a", "b"], ["a", "z", "a", "b"], ["a", "b", "c", "c"]])
    @pytest.mark.parametrize("metric", metrics.for_task("multiclass"), ids=lambda metric: metric.name)
    def test_no_metric_warns(self, metric, truth):
        assert math.isfinite(metric.score(pd.Series(truth), self.predictions))

    def test_the_confusion_matrix_has_a_line_for_each(self):
        counts = metrics.confusion_matrix(["a", "z", "a", "b"], self.predictions)
        assert list(counts.index) == list(counts.columns) == ["a", "b", "c", "z"]
        assert counts.to_numpy().tolist() == [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
        assert (counts.index.name, counts.columns.name) == ("actual", "predicted")

    def test_the_confusion_matrix_of_one_class_alone_is_no_reason_to_warn(self):
        predictions = Predictions(np.array(["a"], dtype=object), np.array([[1.0, 0.0]]), self.known[:2], "b")
        assert metrics.confusion_matrix(["a"], predictions).to_numpy().tolist() == [[1, 0], [0, 0]]

    @pytest.mark.parametrize("name", ["roc_auc_ovr_macro", "average_precision_macro"])
    def test_one_class_alone_cannot_be_ranked(self, name):
        with pytest.raises(DataError, match="rows of at least two classes.*are all 'a'"):
            self.score(name, ["a"] * 4)

    def test_precision_of_a_class_never_predicted_is_zero(self):
        never = Predictions(np.array([0, 0, 0]), np.array([[0.9, 0.1]] * 3), np.array([0, 1]), 1)
        assert metrics.get("precision", "binary").score([0, 1, 1], never) == 0.0


class TestPlainTypes:
    @pytest.mark.parametrize("labels", [[False, True], [0, 1], [1, 2], ["a", "b"]], ids=str)
    @pytest.mark.parametrize("metric", metrics.for_task("binary"), ids=lambda metric: metric.name)
    def test_any_label_can_be_scored(self, metric, labels):
        classes = np.array(labels)
        probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        predictions = Predictions(classes[[0, 1, 0]], probabilities, classes, labels[1])
        perfect = metric.score(pd.Series(classes[[0, 1, 0]]), predictions)
        assert perfect == pytest.approx(1.0 if metric.name != "log_loss" else -np.mean(np.log([0.9, 0.8, 0.6])))

    def test_probabilities_computed_in_32_bits_are_no_reason_to_warn(self):
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

    def test_a_regression_is_numbers_without_classes(self):
        model = types.SimpleNamespace(predict=lambda X: np.array([1, 2], dtype="float32"))
        predictions = metrics.predict(model, None, "regression")
        assert (
            predictions.labels.dtype == float
            and predictions.probabilities is None
            and predictions.positive_class is None
        )

    def test_r2_of_one_row_is_not_defined(self):
        assert math.isnan(metrics.get("r2", "regression").score([1.0], Predictions(np.array([1.0]))))


def test_the_positive_class_is_the_one_written_before_one_written_otherwise():
    assert metrics.find_positive_class(["A", "a"], "a") == "a"
    assert metrics.find_positive_class([False, True], "true") is True
