"""Comparisons with their uncertainty: weighted scores, intervals, verdicts and the winner's corrected score."""

import numpy as np
import pytest

from lib import metrics
from lib.evaluation.comparison import compare
from lib.evaluation.no_skill import predict_no_skill
from lib.evaluation.resampling import assign_units, draw_weights
from lib.evaluation.row_influence import average_precision_influence, roc_auc_influence
from lib.evaluation.selection import estimate_winner_score
from lib.evaluation.weighted_scores import KNOWN_METRICS, _score_repeated_rows, make_weighted_scorer
from lib.metrics import Predictions

ALL_METRICS = [(task, metric.name) for task in metrics.TASKS for metric in metrics.for_task(task)]


def predictions_for(task, truth, random, noise=1.0):
    """Return predictions that are right more often than not, with ties among the probabilities."""
    if task == "regression":
        return Predictions(truth + random.normal(scale=noise, size=len(truth)))
    classes = np.unique(truth)
    scores = random.normal(scale=noise, size=(len(truth), len(classes)))
    scores[np.arange(len(truth)), np.searchsorted(classes, truth)] += 1
    shares = np.round(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), 2) + 1e-3
    shares /= shares.sum(axis=1, keepdims=True)
    return Predictions(classes[shares.argmax(axis=1)], shares, classes, classes[-1] if task == "binary" else None)


def truth_for(task, rows, random):
    """Return random true values of a task."""
    if task == "regression":
        return random.normal(5, 1, rows)
    return random.choice(["a", "b"] if task == "binary" else ["a", "b", "c"], rows)


@pytest.mark.parametrize(("task", "name"), ALL_METRICS)
@pytest.mark.parametrize("rows", [15, 200])
def test_weighted_scores_equal_the_metric_on_repeated_rows(task, name, rows):
    random = np.random.default_rng(rows)
    truth = truth_for(task, rows, random)
    predictions, metric, units = predictions_for(task, truth, random), metrics.get(name, task), np.arange(rows)
    weights = np.vstack([np.ones((1, rows), np.uint8), draw_weights(rows, 5, 0)])
    expected = _score_repeated_rows(metric, truth, predictions, units)(weights)
    scores = make_weighted_scorer(metric, truth, predictions, units)(weights)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert scores[0] == pytest.approx(metric.score(truth, predictions), rel=1e-5)


@pytest.mark.parametrize(("task", "name"), ALL_METRICS)
def test_blocks_give_the_interval_of_single_rows(task, name, monkeypatch):
    random = np.random.default_rng(1)
    truth = truth_for(task, 6_000, random)
    one, other = (predictions_for(task, truth, random, noise) for noise in (0.8, 1.0))
    metric = metrics.get(name, task)
    (by_blocks,) = compare(metric, truth, [one], other)
    monkeypatch.setattr("lib.evaluation.resampling.MAX_UNITS", 10_000)
    (by_rows,) = compare(metric, truth, [one], other)
    assert by_blocks.high - by_blocks.low == pytest.approx(by_rows.high - by_rows.low, rel=0.2)
    assert by_blocks.estimate == by_rows.estimate


def test_every_metric_has_a_fast_scorer():
    assert {name for _, name in ALL_METRICS} == {*KNOWN_METRICS}


@pytest.mark.parametrize(
    ("name", "influence"), [("roc_auc", roc_auc_influence), ("average_precision", average_precision_influence)]
)
def test_influence_is_the_change_of_the_score_by_a_row(name, influence):
    random = np.random.default_rng(3)
    truth = truth_for("binary", 400, random)
    predictions, metric = predictions_for("binary", truth, random), metrics.get(name, "binary")
    score = make_weighted_scorer(metric, truth, predictions, np.arange(400))
    step = 1e-3
    changes = (score(1 + step * np.eye(400)) - score(np.ones((1, 400)))) / step
    np.testing.assert_allclose(influence(truth, predictions) / 400, changes, atol=2e-5)


def test_delong_matches_the_spread_of_repeated_draws():
    random = np.random.default_rng(4)
    truth = np.repeat([0, 1], 150)
    common = random.normal(size=300) + truth
    models = [_binary(common + random.normal(scale=scale, size=300)) for scale in (0.3, 0.6)]
    metric = metrics.get("roc_auc", "binary")
    (difference,) = compare(metric, truth, models[:1], models[1])
    repeats = []
    for _ in range(400):
        common = random.normal(size=300) + truth
        scores = [metric.score(truth, _binary(common + random.normal(scale=s, size=300))) for s in (0.3, 0.6)]
        repeats.append(scores[0] - scores[1])
    assert (difference.high - difference.low) / 2 / 1.97 == pytest.approx(np.std(repeats), rel=0.25)


def _binary(scores):
    """Return predictions of the classes 0 and 1 with these log odds."""
    probabilities = 1 / (1 + np.exp(-scores))
    columns = np.column_stack([1 - probabilities, probabilities])
    return Predictions((probabilities > 0.5).astype(int), columns, np.array([0, 1]), 1)


def test_a_metric_of_the_customers_own_is_bootstrapped():
    metric = metrics.Metric(
        "profit", ("binary",), lambda truth, predictions: float(np.mean(truth == predictions.labels))
    )
    random = np.random.default_rng(5)
    truth = random.integers(0, 2, 500)
    good, bad = _binary(2 * truth - 1 + random.normal(size=500)), _binary(random.normal(size=500))
    assert compare(metric, truth, [good], bad)[0].judge() == "better"
    assert compare(metric, truth, [bad], good)[0].judge() == "worse"


@pytest.mark.parametrize("name", ["roc_auc", "accuracy"])
def test_score_of_the_best_of_equal_candidates_is_not_too_good(name):
    metric, random = metrics.get(name, "binary"), np.random.default_rng(6)
    observed, corrected = [], []
    for seed in range(60):
        truth = random.integers(0, 2, 150)
        candidates = [_binary(1.5 * truth - 0.75 + random.normal(size=150)) for _ in range(4)]
        scores = [metric.score(truth, predictions) for predictions in candidates]
        winner = int(np.argmax(scores))
        observed.append(scores[winner] - np.mean(scores))
        corrected.append(estimate_winner_score(metric, truth, candidates, winner, seed) - np.mean(scores))
    assert np.mean(observed) > 0.015
    assert abs(np.mean(corrected)) < 0.007


def test_a_clear_winner_keeps_its_score():
    metric, truth = metrics.get("roc_auc", "binary"), np.repeat([0, 1], 100)
    random = np.random.default_rng(7)
    candidates = [_binary(4 * truth + random.normal(size=200)), _binary(random.normal(size=200))]
    assert estimate_winner_score(metric, truth, candidates, 0) == metric.score(truth, candidates[0])


@pytest.mark.parametrize(("name", "label"), [("accuracy", "no"), ("f1", "yes"), ("precision", "yes"), ("recall", "no")])
def test_no_skill_label_is_the_best_guess_for_the_metric(name, label):
    target = np.array(["no"] * 9 + ["yes"])
    answers = Predictions(np.array(["no"] * 3), np.full((3, 2), 0.5), np.array(["no", "yes"]), "yes")
    guess = predict_no_skill(target, answers.labels, answers, metrics.get(name, "binary"))
    assert guess.labels.tolist() == [label] * 3
    assert guess.probabilities[0].tolist() == [0.9, 0.1]


def test_units_are_blocks_of_equal_size():
    assert {*np.bincount(assign_units(5_000, 0))} == {2, 3}
