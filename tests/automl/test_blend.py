"""The blend, and which rows it is made on."""

import pickle
import time

import numpy as np
import pytest

from lib import metrics
from lib.automl import FAMILIES, SearchRequest
from lib.automl.trials import blend, folds, selection

CLASSES = np.array(["a", "b", "c"])


def request(task="multiclass", **changes):
    given = dict(
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
    return SearchRequest(**{**given, **changes})


def weights(answers, y, metric, classes, latency=None, most=None, until=float("inf")):
    latency = latency or dict.fromkeys(answers, 1.0)
    return selection.weights(answers, y, metric, classes, None, latency, most, until, seed=0)


def numbers():
    """A target, and two models whose errors cancel, and one that is better than either alone."""
    rng = np.random.default_rng(0)
    y, error = rng.normal(size=400), rng.normal(size=400)
    return y, {"up": y + error, "down": y - error, "fair": y + 0.8 * rng.normal(size=400), "luck": rng.normal(size=400)}


def test_models_whose_errors_cancel_are_blended_in_spite_of_a_better_one():
    y, answers = numbers()
    found = weights({name: one[:, None] for name, one in answers.items()}, y, metrics.get("r2", "regression"), None)
    assert sum(found.values()) == pytest.approx(1)
    assert {"up", "down"} <= found.keys() and "luck" not in found
    blended = sum(weight * answers[name] for name, weight in found.items())
    assert np.mean((blended - y) ** 2) < min(np.mean((one - y) ** 2) for one in answers.values())


def test_lower_is_better_where_the_metric_says_so():
    y, answers = numbers()
    only = {name: answers[name][:, None] for name in ("fair", "luck")}
    assert weights(only, y, metrics.get("rmse", "regression"), None) == {"fair": 1.0}


def test_no_more_models_than_fit_into_the_latency():
    y, answers = numbers()
    given = {name: one[:, None] for name, one in answers.items()}, y, metrics.get("r2", "regression"), None
    assert list(weights(*given, latency=dict.fromkeys(answers, 2.0), most=3.0)) == ["fair"]
    assert len(weights(*given, latency=dict.fromkeys(answers, 2.0), most=4.5)) == 2


def test_without_time_the_best_alone():
    y, answers = numbers()
    given = {name: one[:, None] for name, one in answers.items()}, y, metrics.get("r2", "regression"), None
    assert weights(*given, until=time.monotonic() - 1) == {"fair": 1.0}


def test_of_few_rows_more_than_one_choice_is_made():
    rng = np.random.default_rng(0)
    y = rng.normal(size=2000)
    # Alike, each with its own errors: on few rows it is luck which of them look best together.
    answers = {f"model {number}": (y + rng.normal(size=y.shape))[:, None] for number in range(20)}
    few, many = slice(0, 60), slice(60, None)
    given = {name: one[few] for name, one in answers.items()}, y[few], metrics.get("r2", "regression"), None
    errors = []
    for found in (weights(*given), selection_of_all_rows(*given)):
        blended = sum(weight * answers[name][many, 0] for name, weight in found.items())
        errors.append(np.mean((blended - y[many]) ** 2))
    assert errors[0] < 0.95 * errors[1]


def selection_of_all_rows(answers, y, metric, classes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "BAGS", 1)
        return weights(answers, y, metric, classes)


def test_of_equal_scores_the_one_that_is_surer():
    y = CLASSES[[0, 1, 2, 0, 1, 2]]
    right = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    answers = {"unsure": 0.4 * right + 0.2, "sure": 0.9 * right + 0.1 / 3}
    assert next(iter(weights(answers, y, metrics.get("accuracy", "multiclass"), CLASSES))) == "sure"


def test_a_member_of_some_classes_answers_for_all():
    class OfTwo:
        def predict_proba(self, F):
            return np.tile([0.25, 0.75], (len(F), 1))

    member = blend.Member(OfTwo(), [0, 2], 3)
    assert member.answer(np.zeros((2, 1))).tolist() == [[0.25, 0, 0.75]] * 2
    of_one = blend.Member(None, [1], 3)
    classifier = blend.BlendClassifier([member, of_one], [0.5, 0.5], CLASSES)
    assert classifier.predict_proba(np.zeros((1, 1))).tolist() == [[0.125, 0.5, 0.375]]
    assert classifier.predict(np.zeros((1, 1))).tolist() == ["b"]


def test_what_parts_say_of_a_row_is_the_mean_of_those_that_have_not_seen_it():
    nan = np.nan
    parts = [np.array([[0.2], [nan], [nan]]), np.array([[0.4], [0.6], [nan]])]
    np.testing.assert_allclose(blend.out_of_bag(parts), [[0.3], [0.6], [0.4]])


def test_folds_hold_every_row_once_a_rare_class_too():
    labels = np.array([0] * 50 + [1] * 48 + [2] * 2)
    found = folds.of_rows(labels, 4, core_seconds=1, request=request())
    assert set(found) == {0, 1, 2, 3, 4}
    assert np.bincount(found).min() >= 19
    assert set(folds.of_rows(labels, 4, core_seconds=1000, request=request())) == set(range(8))


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_without_time_for_folds_a_part_is_held_out(task):
    labels = np.arange(1000) % 2 if task == "binary" else np.linspace(0, 1, 1000)
    found = folds.of_rows(labels, 50, core_seconds=0.1, request=request(task))
    assert set(found) == {-1, 0} and (found == 0).sum() == 120


def test_what_was_asked_for_is_done():
    labels = np.arange(100) % 2
    assert set(folds.of_rows(labels, 5, 0.0, request("binary", folds=2))) == {0, 1}
    assert (folds.of_rows(labels, 5, 1e9, request("binary", validation_fraction=0.3)) == 0).sum() == 30
    assert len(set(folds.of_rows(labels[:6], 5, 0.0, request("binary", folds=20)))) <= 6


def test_a_metric_travels_to_another_process():
    for metric in metrics.METRICS:
        again = pickle.loads(pickle.dumps(metric))
        assert again.name == metric.name and again.greater_is_better == metric.greater_is_better
        assert set(metric.tasks) <= set(again.tasks)
