"""Each family of models fits each kind of table, one of categories alone too."""

import time

import numpy as np
import pytest

from lib.automl.trials.families import FITS, Fit

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
    fit = Fit(task, "", {}, 180, LEVELS[180:], y[180:], ["category"] * 8, 0, time.monotonic() + 0.5)
    model = FITS[family](LEVELS[seen], y[seen], fit)
    answers = model.predict(LEVELS[180:]) if task == "regression" else model.predict_proba(LEVELS[180:])
    assert len(answers) == ROWS - 180 and np.isfinite(answers).all()
