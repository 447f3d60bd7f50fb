"""Forests: each tree leaves out some rows, so that one may learn from all and be compared on all.

References
----------
Breiman: Out-of-bag estimation. Technical report, University of California at Berkeley 1996.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import sklearn.ensemble
from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from lib.automl.trials.families import Fit

TREES, _STEP = 100, 10


class Forest(BaseEstimator):
    """The trees of a forest, asked one after the other: handing each to a thread takes far longer for one row."""

    def __init__(self, trees: list[Any]):
        self.trees = trees

    def predict_proba(self, F: np.ndarray) -> np.ndarray:
        """Mean of the shares of the classes in each tree's leaf."""
        rows = np.asarray(F, dtype=np.float32)
        return sum(tree.predict(rows) for tree in self.trees) / len(self.trees)

    def predict(self, F: np.ndarray) -> np.ndarray:
        """Mean of the leaves' means."""
        return self.predict_proba(F).ravel()


def random_forest(F: np.ndarray, y: np.ndarray, fit: Fit) -> Forest:
    """A forest, grown until the time is up."""
    return _forest(_grown("RandomForest", F, y, fit))


def extra_trees(F: np.ndarray, y: np.ndarray, fit: Fit) -> Forest:
    """A forest with random cuts, grown until the time is up."""
    return _forest(_grown("ExtraTrees", F, y, fit))


def bagged_random_forest(F: np.ndarray, y: np.ndarray, fit: Fit) -> tuple[Forest, np.ndarray]:
    """A forest, and what its trees say of the rows they have not drawn."""
    model = _grown("RandomForest", F, y, fit)
    return _forest(model), _left_out(model, F)


def _grown(kind: str, F: np.ndarray, y: np.ndarray, fit: Fit) -> Any:
    trees = fit.settings.get("n_estimators", TREES)
    # Classes gain by leaves of several rows, numbers by trees that look at more and go on to single ones.
    usual = {"max_features": 0.4, "min_samples_leaf": 2} if fit.is_classification else {"max_features": 0.75}
    kind = getattr(sklearn.ensemble, kind + ("Classifier" if fit.is_classification else "Regressor"))
    model = kind(random_state=fit.seed, n_jobs=1, warm_start=True, **{**usual, **fit.settings})
    for grown in range(_STEP, trees + _STEP, _STEP):
        model.set_params(n_estimators=grown).fit(F, y)
        if fit.late:
            break
    return model


def _forest(model: Any) -> Forest:
    return Forest([one.tree_ for one in model.estimators_])


def _left_out(model: Any, F: np.ndarray) -> np.ndarray:
    """What is said of each row by the trees that have not drawn it; NaN where all have."""
    rows = np.asarray(F, dtype=np.float32)
    total, count = 0.0, np.zeros((len(rows), 1))
    for one, drawn in zip(model.estimators_, model.estimators_samples_, strict=True):
        unseen = np.ones(len(rows), dtype=bool)
        unseen[drawn] = False
        count[unseen] += 1
        said = one.tree_.predict(rows)
        said[~unseen] = 0
        total = total + said
    with np.errstate(invalid="ignore"):
        return total / count
