"""Forests. A random forest can be scored on its own training rows, because each tree leaves some rows out.

References
----------
Breiman: Out-of-bag estimation. Technical report, University of California at Berkeley 1996.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import sklearn.ensemble
from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from lib.automl.families.fit_request import FitRequest

MAX_TREES, _TREES_PER_STEP = 100, 10


class Forest(BaseEstimator):
    """The trees of a scikit-learn forest, evaluated one after another.

    scikit-learn's own forest starts threads, which takes longer than evaluating the trees for a single row.

    Parameters
    ----------
    trees : list of sklearn.tree._tree.Tree
    """

    def __init__(self, trees: list[Any]):
        self.trees = trees

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return the mean of the trees' class shares, of shape (rows, classes)."""
        rows = np.asarray(features, dtype=np.float32)
        return functools.reduce(np.add, (tree.predict(rows) for tree in self.trees)) / len(self.trees)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the mean of the trees' predictions, for a regression."""
        return self.predict_proba(features).ravel()


def fit_random_forest(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Forest:
    """Fit a random forest within the time limit."""
    return _to_forest(_fit_forest("RandomForest", features, y, request))


def fit_extra_trees(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Forest:
    """Fit extremely randomized trees within the time limit."""
    return _to_forest(_fit_forest("ExtraTrees", features, y, request))


def fit_bagged_random_forest(features: np.ndarray, y: np.ndarray, request: FitRequest) -> tuple[Forest, np.ndarray]:
    """Fit a random forest within the time limit.

    Returns
    -------
    forest : Forest
    out_of_bag : ndarray of shape (rows, classes) or (rows, 1)
        Outputs for each row by the trees that were not trained on it.
    """
    model = _fit_forest("RandomForest", features, y, request)
    return _to_forest(model), _predict_out_of_bag(model, features)


def _fit_forest(name: str, features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit a scikit-learn forest some trees at a time, until it has all trees or the time is up."""
    max_trees = request.hyperparameters.get("n_estimators", MAX_TREES)
    # Classifications gain from leaves with several rows; regressions from more features per split and deep trees.
    defaults: dict[str, Any] = {"max_features": 0.75}
    if request.is_classification:
        defaults = {"max_features": 0.4, "min_samples_leaf": 2}
    estimator = getattr(sklearn.ensemble, name + ("Classifier" if request.is_classification else "Regressor"))
    model = estimator(random_state=request.seed, n_jobs=1, warm_start=True, **{**defaults, **request.hyperparameters})
    for trees in range(_TREES_PER_STEP, max_trees + _TREES_PER_STEP, _TREES_PER_STEP):
        model.set_params(n_estimators=trees).fit(features, y)
        if request.is_overdue:
            break
    return model


def _to_forest(model: Any) -> Forest:
    """Return the trees of a fitted scikit-learn forest."""
    return Forest([estimator.tree_ for estimator in model.estimators_])


def _predict_out_of_bag(model: Any, features: np.ndarray) -> np.ndarray:
    """Return, for each row, the mean output of the trees that were not trained on it; NaN if all trees were."""
    rows = np.asarray(features, dtype=np.float32)
    output_sum: np.ndarray | float = 0.0
    tree_count = np.zeros((len(rows), 1))
    for estimator, trained_rows in zip(model.estimators_, model.estimators_samples_, strict=True):
        is_out_of_bag = np.ones(len(rows), dtype=bool)
        is_out_of_bag[trained_rows] = False
        tree_count[is_out_of_bag] += 1
        outputs = estimator.tree_.predict(rows)
        outputs[~is_out_of_bag] = 0
        output_sum = output_sum + outputs
    with np.errstate(invalid="ignore"):
        return output_sum / tree_count
