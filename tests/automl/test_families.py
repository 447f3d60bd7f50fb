"""Each family of models fits each kind of table, one of categories alone too."""

import time

import numpy as np
import pytest

from lib.automl.trials.families import BAGGED, FITS, Fit

random = np.random.default_rng(0)
ROWS = 240
LEVELS = random.integers(0, 12, (ROWS, 8)).astype(float)
TARGETS = {
    "binary": (LEVELS[:, 0] > 5).astype(int),
    "multiclass": (LEVELS[:, 0] % 3).astype(int),
    "regression": LEVELS[:, 0] - LEVELS[:, 1],
}
# The others come with the group automl.
OF_THE_CORE = ("extra_trees", "gradient_boosting", "linear", "neighbours", "neural_network", "random_forest", "xgboost")


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("family", OF_THE_CORE)
def test_categories_alone(family, task):
    y, seen = TARGETS[task], slice(0, 180)
    fit = Fit(task, {}, 180, LEVELS[180:], y[180:], ["category"] * 8, 0, time.monotonic() + 0.5)
    model = FITS[family](LEVELS[seen], y[seen], fit)
    answers = model.predict(LEVELS[180:]) if task == "regression" else model.predict_proba(LEVELS[180:])
    assert len(answers) == ROWS - 180 and np.isfinite(answers).all()


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("family", BAGGED)
def test_a_forest_says_of_each_row_what_the_trees_say_that_have_not_seen_it(family, task):
    rng = np.random.default_rng(1)
    F, y = rng.normal(size=(200, 4)), rng.permutation(TARGETS[task][:200])
    fit = Fit(task, {"min_samples_leaf": 1}, 200, F[:0], y[:0], ["number"] * 4, 0)
    model, unseen = BAGGED[family](F, y, fit)
    seen = model.predict_proba(F)
    assert unseen.shape == seen.shape and np.isfinite(unseen).all()
    if task == "regression":  # the target is chance: what has seen it knows it by heart, what has not knows nothing
        assert np.corrcoef(seen[:, 0], y)[0, 1] > 0.8 > 0.3 > abs(np.corrcoef(unseen[:, 0], y)[0, 1])
    else:
        most = np.bincount(y).max() / len(y)
        assert (seen.argmax(axis=1) == y).mean() > 0.9 > most + 0.1 > (unseen.argmax(axis=1) == y).mean()
