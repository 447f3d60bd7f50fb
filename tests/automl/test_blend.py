"""The blend of models, the selection of its weights, and the rows on which models are compared."""

import pickle
import time

import numpy as np
import pytest

from lib import metrics
from lib.automl import FAMILIES, SearchRequest
from lib.automl.trials import blend, folds, selection
from lib.automl.trials.encoding import EncodedTarget
from lib.automl.trials.selection import SelectionLimits, SelectionTask, select_weights

CLASSES = np.array(["a", "b", "c"])
R2 = metrics.get("r2", "regression")


def make_request(task="multiclass", **changes):
    defaults = dict(
        task=task,
        metric=metrics.get("r2" if task == "regression" else "accuracy", task),
        positive_class="",
        seed=3,
        threads=2,
        budget_seconds=60.0,
        max_trials=40,
        families=FAMILIES,
        folds=0,
        validation_fraction=0.0,
        ensemble=True,
        max_latency_ms=0.0,
        memory_bytes=2**33,
    )
    return SearchRequest(**{**defaults, **changes})


def select(outputs, y, metric=R2, classes=None, row_ms=1.0, max_row_ms=None, deadline=float("inf")):
    labels = y if classes is None else np.searchsorted(classes, y)
    task = SelectionTask(EncodedTarget(y, labels, classes, None), metric)
    return select_weights(outputs, task, SelectionLimits(dict.fromkeys(outputs, row_ms), max_row_ms, deadline), seed=0)


@pytest.fixture
def regression():
    """Return a target, and outputs of models: two whose errors cancel, a better one and a random one."""
    rng = np.random.default_rng(0)
    y, error = rng.normal(size=400), rng.normal(size=400)
    predictions = {
        "high": y + error,
        "low": y - error,
        "fair": y + 0.8 * rng.normal(size=400),
        "random": rng.normal(size=400),
    }
    return y, {name: values[:, None] for name, values in predictions.items()}


def squared_error(y, outputs, weights):
    blended = sum(weight * outputs[name][:, 0] for name, weight in weights.items())
    return np.mean((blended - y) ** 2)


class TestSelection:
    def test_models_with_opposite_errors_are_blended(self, regression):
        y, outputs = regression
        weights = select(outputs, y)
        assert sum(weights.values()) == pytest.approx(1)
        assert {"high", "low"} <= weights.keys()
        assert "random" not in weights
        assert squared_error(y, outputs, weights) < min(squared_error(y, outputs, {name: 1}) for name in outputs)

    def test_metric_may_be_lower_is_better(self, regression):
        y, outputs = regression
        candidates = {name: outputs[name] for name in ("fair", "random")}
        assert select(candidates, y, metrics.get("rmse", "regression")) == {"fair": 1.0}

    def test_blend_stays_within_the_latency_limit(self, regression):
        y, outputs = regression
        assert list(select(outputs, y, row_ms=2.0, max_row_ms=3.0)) == ["fair"]
        assert len(select(outputs, y, row_ms=2.0, max_row_ms=4.5)) == 2

    def test_one_model_remains_if_all_exceed_the_latency_limit(self, regression):
        y, outputs = regression
        assert select(outputs, y, row_ms=2.0, max_row_ms=1.0) == {"fair": 1.0}

    def test_best_model_is_selected_without_time(self, regression):
        y, outputs = regression
        assert select(outputs, y, deadline=time.monotonic() - 1) == {"fair": 1.0}

    def test_bagging_prevents_overfitting_on_few_rows(self, monkeypatch):
        # All models are equally good: on few rows, it is chance which of them look best together.
        rng = np.random.default_rng(0)
        y = rng.normal(size=2000)
        outputs = {f"model {number}": (y + rng.normal(size=y.shape))[:, None] for number in range(20)}
        few_rows = {name: values[:60] for name, values in outputs.items()}
        other_rows = {name: values[60:] for name, values in outputs.items()}
        bagged = select(few_rows, y[:60])
        monkeypatch.setattr(selection, "BAGS", 1)
        not_bagged = select(few_rows, y[:60])
        assert squared_error(y[60:], other_rows, bagged) < 0.95 * squared_error(y[60:], other_rows, not_bagged)

    def test_loss_decides_between_equal_scores(self):
        y = CLASSES[[0, 1, 2, 0, 1, 2]]
        correct = np.eye(3)[[0, 1, 2, 0, 1, 2]]
        outputs = {"unsure": 0.4 * correct + 0.2, "sure": 0.9 * correct + 0.1 / 3}
        assert next(iter(select(outputs, y, metrics.get("accuracy", "multiclass"), CLASSES))) == "sure"


class TestBlend:
    def test_member_with_some_classes_predicts_all(self):
        class TwoClassModel:
            def predict_proba(self, features):
                return np.tile([0.25, 0.75], (len(features), 1))

        two_classes = blend.Member(TwoClassModel(), [0, 2], 3)
        assert two_classes.predict_outputs(np.zeros((2, 1))).tolist() == [[0.25, 0, 0.75]] * 2
        one_class = blend.Member(None, [1], 3)
        classifier = blend.BlendClassifier([two_classes, one_class], [0.5, 0.5], CLASSES)
        assert classifier.predict_proba(np.zeros((1, 1))).tolist() == [[0.125, 0.5, 0.375]]
        assert classifier.predict(np.zeros((1, 1))).tolist() == ["b"]

    def test_out_of_bag_outputs_are_averaged(self):
        nan = np.nan
        parts = [np.array([[0.2], [nan], [nan]]), np.array([[0.4], [0.6], [nan]])]
        np.testing.assert_allclose(blend.average_out_of_bag(parts), [[0.3], [0.6], [0.4]])


class TestFolds:
    def test_every_row_is_in_one_fold_despite_a_rare_class(self):
        labels = np.array([0] * 50 + [1] * 48 + [2] * 2)
        assigned = folds.assign_folds(labels, 4, core_seconds=1, request=make_request())
        assert set(assigned) == {0, 1, 2, 3, 4}
        assert np.bincount(assigned).min() >= 19

    def test_more_time_gives_more_folds(self):
        labels = np.array([0] * 50 + [1] * 48 + [2] * 2)
        assert set(folds.assign_folds(labels, 4, core_seconds=1000, request=make_request())) == set(range(8))

    @pytest.mark.parametrize("task", ["binary", "regression"])
    def test_rows_are_held_out_without_time_for_folds(self, task):
        labels = np.arange(1000) % 2 if task == "binary" else np.linspace(0, 1, 1000)
        assigned = folds.assign_folds(labels, 50, core_seconds=0.1, request=make_request(task))
        assert set(assigned) == {folds.HELD_OUT, folds.ALWAYS_TRAINED}
        assert (assigned == folds.HELD_OUT).sum() == 120

    def test_requested_folds_and_fraction_are_used(self):
        labels = np.arange(100) % 2
        assert set(folds.assign_folds(labels, 5, 0.0, make_request("binary", folds=2))) == {0, 1}
        assigned = folds.assign_folds(labels, 5, 1e9, make_request("binary", validation_fraction=0.3))
        assert (assigned == folds.HELD_OUT).sum() == 30
        assert len(set(folds.assign_folds(labels[:6], 5, 0.0, make_request("binary", folds=20)))) <= 6


def test_metrics_can_be_pickled():
    for metric in metrics.METRICS:
        restored = pickle.loads(pickle.dumps(metric))
        assert restored.name == metric.name
        assert restored.greater_is_better == metric.greater_is_better
        assert set(metric.tasks) <= set(restored.tasks)
