"""Each model family fits each task, and tables that contain only categories."""

import time

import numpy as np
import pytest

from lib.automl.families import BAGGED_FIT_FUNCTIONS, FIT_FUNCTIONS, FitRequest

ROWS, TRAIN_ROWS = 240, 180
CATEGORIES = np.random.default_rng(0).integers(0, 12, (ROWS, 8)).astype(float)
TARGETS = {
    "binary": (CATEGORIES[:, 0] > 5).astype(int),
    "multiclass": (CATEGORIES[:, 0] % 3).astype(int),
    "regression": CATEGORIES[:, 0] - CATEGORIES[:, 1],
}
# The other families need the packages of the group automl.
CORE_FAMILIES = (
    "extra_trees",
    "gradient_boosting",
    "linear",
    "neighbours",
    "neural_network",
    "random_forest",
    "xgboost",
)


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("family", CORE_FAMILIES)
def test_family_fits_a_table_of_categories(family, task):
    train, validation = CATEGORIES[:TRAIN_ROWS], CATEGORIES[TRAIN_ROWS:]
    y, validation_y = TARGETS[task][:TRAIN_ROWS], TARGETS[task][TRAIN_ROWS:]
    deadline = time.monotonic() + 0.5
    request = FitRequest(task, {}, TRAIN_ROWS, validation, validation_y, ["category"] * 8, 0, deadline)
    model = FIT_FUNCTIONS[family](train, y, request)
    predictions = model.predict(validation) if task == "regression" else model.predict_proba(validation)
    assert len(predictions) == len(validation)
    assert np.isfinite(predictions).all()


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("family", BAGGED_FIT_FUNCTIONS)
def test_out_of_bag_outputs_come_from_trees_without_the_row(family, task):
    # The target is random: a model can only memorize it, so out-of-bag outputs must be useless.
    rng = np.random.default_rng(1)
    features, y = rng.normal(size=(200, 4)), rng.permutation(TARGETS[task][:200])
    request = FitRequest(task, {"min_samples_leaf": 1}, 200, features[:0], y[:0], ["number"] * 4, 0)
    model, out_of_bag = BAGGED_FIT_FUNCTIONS[family](features, y, request)
    in_bag = model.predict_proba(features)
    assert out_of_bag.shape == in_bag.shape
    assert np.isfinite(out_of_bag).all()
    if task == "regression":
        assert np.corrcoef(in_bag[:, 0], y)[0, 1] > 0.8
        assert abs(np.corrcoef(out_of_bag[:, 0], y)[0, 1]) < 0.3
    else:
        majority_share = np.bincount(y).max() / len(y)
        assert (in_bag.argmax(axis=1) == y).mean() > 0.9
        assert (out_of_bag.argmax(axis=1) == y).mean() < majority_share + 0.1 < 0.9
