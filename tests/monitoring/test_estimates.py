"""Performance without labels: right under covariate shift, with intervals that cover the realised metric."""

import numpy as np
import pandas as pd
import pytest

from lib import metrics
from lib.metrics import Predictions
from lib.monitoring.estimates import ScoreEstimator

CLASSES = np.array(["no", "yes"])


def draw(random, rows, centre=0.0):
    """Return rows, predictions of a model that is badly calibrated, and true classes."""
    size = random.normal(centre, 1.0, rows)
    noise = random.choice(["low", "high"], rows)
    probability = 1 / (1 + np.exp(-size - np.where(noise == "low", 1.0, -1.0)))
    truth = CLASSES[(random.random(rows) < probability).astype(int)]
    claimed = 1 / (1 + np.exp(-3 * size))
    frame = pd.DataFrame({"size": size, "noise": noise})
    labels = CLASSES[(claimed > 0.5).astype(int)]
    return frame, Predictions(labels, np.column_stack([1 - claimed, claimed]), CLASSES, "yes", rows=frame), truth


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roc_auc", "log_loss"])
def test_metrics_of_classes_are_estimated_under_covariate_shift(name):
    random = np.random.default_rng(1)
    metric = metrics.get(name, "binary")
    rows, predictions, truth = draw(random, 2_000)
    estimator = ScoreEstimator(rows, predictions, truth, metric, seed=0)
    promised = metric.score(truth, predictions)
    for centre in (0.0, 1.2):
        rows, predictions, truth = draw(random, 1_000, centre)
        realised, estimate = metric.score(truth, predictions), estimator.estimate(rows, predictions)
        assert estimate.low - 0.01 < realised < estimate.high + 0.01
        if centre and name == "log_loss":  # ROC AUC hardly changes here
            assert abs(estimate.value - realised) < abs(promised - realised)


def test_errors_of_numbers_are_estimated_under_covariate_shift():
    random = np.random.default_rng(2)
    metric = metrics.get("rmse", "regression")

    def draw_numbers(rows, centre):
        size = random.normal(centre, 1.0, rows)
        return pd.DataFrame({"size": size}), Predictions(size), size + random.normal(size=rows) * (0.2 + np.abs(size))

    rows, predictions, truth = draw_numbers(1_500, 0.0)
    estimator = ScoreEstimator(rows, predictions, truth, metric, seed=0)
    promised = metric.score(truth, predictions)
    rows, predictions, truth = draw_numbers(1_000, 1.0)
    realised, estimate = metric.score(truth, predictions), estimator.estimate(rows, predictions)
    assert abs(estimate.value - realised) < abs(promised - realised) / 2


def test_an_interval_is_wide_where_no_reference_row_is():
    random = np.random.default_rng(5)
    rows, predictions, truth = draw(random, 1_500)
    # The model does not know that most rows are true where `noise` is low, and few reference rows are low.
    is_rare = (rows["noise"] == "low") & (random.random(len(rows)) < 0.85)
    rows, predictions, truth = rows[~is_rare], predictions.select(~is_rare.to_numpy()), truth[~is_rare]
    estimator = ScoreEstimator(rows, predictions, truth, metrics.get("accuracy", "binary"), seed=0)
    widths = {}
    for noise in ("high", "low"):
        later, answers, _ = draw(random, 800)
        interval = estimator.estimate(later.assign(noise=noise), answers)
        widths[noise] = interval.high - interval.low
    assert widths["low"] > 1.3 * widths["high"]


def test_an_undefined_metric_has_no_estimate():
    random = np.random.default_rng(3)
    rows, predictions, _ = draw(random, 300)
    estimator = ScoreEstimator(rows, predictions, np.repeat("yes", 300), metrics.get("roc_auc", "binary"), seed=0)
    assert estimator.estimate(rows, predictions) is None


def test_absent_columns_and_new_categories_do_not_stop_an_estimate():
    random = np.random.default_rng(4)
    rows, predictions, truth = draw(random, 400)
    estimator = ScoreEstimator(rows, predictions, truth, metrics.get("accuracy", "binary"), seed=0)
    strange = rows[["noise"]].assign(noise="mauve")
    estimate = estimator.estimate(strange, predictions)
    assert 0 < estimate.value < 1
