"""Explainers: what each feature adds to the score of a model, exact for trees, linear models and blends of trees.

What is explained, the ``scale``, depends on the model:

===================================== =========================================================================
boosting of classes, logistic         the log-odds of a class (of several classes: its score before the softmax)
forests and trees of classes          the probability of a class
boosting of numbers with a log link   the logarithm of the prediction
other regressions                     the prediction
a blend of boosting models of classes the weighted mean of its members' log-odds
===================================== =========================================================================

Calibration and decision rules come after these scores and are not explained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lib.scoring.reasons.tree_models import NoTreesError, convert_trees, convert_xgboost
from lib.scoring.reasons.tree_shap import TreeArrays, TreeShap

# The attribute of the wrapped estimator, by the name of the wrapper's class, which need not be imported here.
_WRAPPED = {"DecisionClassifier": "model", "CalibratedClassifier": "estimator", "AnyLabelClassifier": "estimator_"}
LOG_ODDS, PROBABILITY, LOGARITHM, NUMBER = "log-odds", "probability", "logarithm", "number"


class NoExplainerError(Exception):
    """There is no exact explainer for a model; the message states the reason."""


class Explainer(Protocol):
    """What each feature adds to the score of a class, or to the predicted number."""

    @property
    def scale(self) -> str:
        """What is explained: one of the constants of this module."""

    @property
    def cost(self) -> int:
        """Number of steps for a row, to which the time is proportional."""

    def explain(self, features: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return contributions of shape (rows, features), and the mean score that they are added to, (rows,).

        Parameters
        ----------
        features : ndarray of shape (rows, features)
        classes : ndarray of int, of shape (rows,)
            Position of the class to explain; ignored for a regression.
        """


@dataclass(frozen=True)
class TreeExplainer:
    """Explains trees of scikit-learn."""

    shap: TreeShap
    scale: str

    @property
    def cost(self) -> int:
        """Number of nodes."""
        return self.shap.node_count

    def explain(self, features: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Explainer.explain`."""
        outputs, signs = _to_outputs(classes, len(self.shap.expected), self.scale)
        return self.shap(features, outputs) * signs[:, None], self.shap.expected[outputs] * signs


@dataclass(frozen=True)
class LinearExplainer:
    """Explains a linear model: a coefficient times the feature's difference from its mean in training.

    These are the Shapley values if features are independent (Lundberg and Lee, A unified approach to interpreting model
    predictions, NeurIPS 2017).
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    means: np.ndarray
    scale: str
    cost: int = 0

    def explain(self, features: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Explainer.explain`."""
        outputs, signs = _to_outputs(classes, len(self.coefficients), self.scale)
        expected = self.intercepts + self.coefficients @ self.means
        contributions = (features - self.means) * self.coefficients[outputs]
        return contributions * signs[:, None], expected[outputs] * signs


@dataclass(frozen=True)
class LibraryExplainer:
    """Explains a model by the TreeSHAP of its own library.

    Attributes
    ----------
    contribute : callable
        Takes features; returns an array of shape (rows, outputs, features + 1), with the mean score at the end.
    scale : str
    """

    contribute: Callable[[np.ndarray], np.ndarray]
    scale: str
    cost: int = 0

    def explain(self, features: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Explainer.explain`."""
        values = np.asarray(self.contribute(features), dtype=float)
        outputs, signs = _to_outputs(classes, values.shape[1], self.scale)
        chosen = values[np.arange(len(values)), outputs] * signs[:, None]
        return chosen[:, :-1], chosen[:, -1]


@dataclass(frozen=True)
class BlendExplainer:
    """Explains the weighted mean of the scores of several models.

    Attributes
    ----------
    members : sequence of Explainer
        All of the same scale.
    weights : sequence of float
    known_classes : sequence
        For each member the positions of its classes among all classes; None for a regression.
    scale : str
    """

    members: Sequence[Explainer]
    weights: Sequence[float]
    known_classes: Sequence[Sequence[int] | None]
    scale: str
    cost: int = field(default=0)

    def explain(self, features: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Explainer.explain`."""
        contributions, expected = np.zeros(features.shape), np.zeros(len(features))
        for member, weight, known in zip(self.members, self.weights, self.known_classes, strict=True):
            own = classes if known is None else np.searchsorted(known, classes)
            values, mean = member.explain(features, own)
            contributions += weight * values
            expected += weight * mean
        return contributions, expected


def make_tree_explainer(trees: TreeArrays, feature_count: int, scale: str) -> TreeExplainer:
    """Return the explainer of trees."""
    return TreeExplainer(TreeShap(trees, feature_count), scale)


def find_explainer(estimator: Any, feature_count: int, means: np.ndarray | None = None) -> Explainer:
    """Return the exact explainer of a fitted estimator that takes features.

    Parameters
    ----------
    estimator : estimator
        Wrappers for calibration, decision rules and labels are removed.
    feature_count : int
    means : ndarray of shape (features,), optional
        Means of the features in training, which linear models need.

    Raises
    ------
    NoExplainerError
        If the estimator is of a type that has no exact explainer.
    """
    estimator = unwrap(estimator)
    name = type(estimator).__name__
    if name in ("BlendClassifier", "BlendRegressor"):
        return _explain_blend(estimator, feature_count, means)
    if name == "TransformedModel" and type(estimator.transformer).__name__ == "IntegerCategories":
        return _explain_library(estimator.model, feature_count, estimator.transformer.transform)
    if name in ("LogisticRegression", "Ridge", "RidgeCV", "LinearRegression"):
        return _explain_linear(estimator, means)
    if hasattr(estimator, "get_booster") or hasattr(estimator, "booster_") or name.startswith("CatBoost"):
        return _explain_library(estimator, feature_count)
    try:
        return make_tree_explainer(convert_trees(estimator), feature_count, find_tree_scale(estimator))
    except NoTreesError as reason:
        raise NoExplainerError(str(reason)) from None


def find_tree_scale(estimator: Any) -> str:
    """Return the scale of the trees that `convert_trees` returns for an estimator of scikit-learn."""
    if type(estimator).__name__.startswith("HistGradientBoosting"):
        if _is_classifier(estimator):
            return LOG_ODDS
        return LOGARITHM if type(estimator._loss.link).__name__ == "LogLink" else NUMBER
    return PROBABILITY if _is_classifier(estimator) else NUMBER


def unwrap(estimator: Any) -> Any:
    """Return the estimator within wrappers that change labels or probabilities, but not the order of scores."""
    attributes = {
        "DecisionClassifier": "model",
        "CalibratedClassifier": "estimator",
        "AnyLabelClassifier": "estimator_",
    }
    while type(estimator).__name__ in attributes:
        estimator = getattr(estimator, attributes[type(estimator).__name__])
    return estimator


def _is_classifier(estimator: Any) -> bool:
    """Return whether an estimator predicts classes. CatBoost's regressions have an attribute ``classes_``, too."""
    return hasattr(estimator, "predict_proba")


def _to_outputs(classes: np.ndarray, output_count: int, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the output for each class to explain, and the sign by which its score is multiplied.

    Of two classes, many models have a single output, the log-odds of the second class.
    """
    if output_count > 1:
        return classes, np.ones(len(classes))
    signs = np.where(classes == 1, 1.0, -1.0) if scale == LOG_ODDS else np.ones(len(classes))
    return np.zeros(len(classes), dtype=int), signs


def _explain_linear(estimator: Any, means: np.ndarray | None) -> LinearExplainer:
    if means is None:
        raise NoExplainerError("the means of the features were not saved with the model")
    scale = LOG_ODDS if _is_classifier(estimator) else NUMBER
    return LinearExplainer(np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_), means, scale)


def _explain_library(
    estimator: Any, feature_count: int, transform: Callable[[np.ndarray], Any] = np.asarray
) -> Explainer:
    """Return the explainer of a model of XGBoost, LightGBM or CatBoost."""
    scale = LOG_ODDS if _is_classifier(estimator) else NUMBER
    if hasattr(estimator, "get_booster"):
        try:
            return make_tree_explainer(convert_xgboost(estimator), feature_count, scale)
        except NoTreesError:
            return LibraryExplainer(_contribute_by_xgboost(estimator), scale)
    if hasattr(estimator, "booster_"):
        return LibraryExplainer(_contribute_by_lightgbm(estimator), scale)
    if type(estimator).__name__.startswith("CatBoost"):
        return LibraryExplainer(_contribute_by_catboost(estimator, transform), scale)
    raise NoExplainerError(f"{type(estimator).__name__} has no exact explainer")


def _contribute_by_xgboost(estimator: Any) -> Callable[[np.ndarray], np.ndarray]:
    from xgboost import DMatrix

    booster = estimator.get_booster()
    # With early stopping, only the rounds up to the best one predict.
    rounds = (0, estimator.best_iteration + 1) if getattr(estimator, "early_stopping_rounds", None) else (0, 0)

    def contribute(features: np.ndarray) -> np.ndarray:
        matrix = DMatrix(np.asarray(features, dtype=np.float32), nthread=1)
        values = booster.predict(matrix, pred_contribs=True, iteration_range=rounds, validate_features=False)
        return np.asarray(values[:, None, :] if values.ndim == 2 else values)

    return contribute


def _contribute_by_lightgbm(estimator: Any) -> Callable[[np.ndarray], np.ndarray]:
    def contribute(features: np.ndarray) -> np.ndarray:
        values = estimator.booster_.predict(features, pred_contrib=True, num_threads=1)
        return np.asarray(values).reshape(len(features), -1, features.shape[1] + 1)

    return contribute


def _contribute_by_catboost(
    estimator: Any, transform: Callable[[np.ndarray], Any]
) -> Callable[[np.ndarray], np.ndarray]:
    from catboost import Pool

    positions = estimator.get_cat_feature_indices()

    def contribute(features: np.ndarray) -> np.ndarray:
        pool = Pool(transform(features), cat_features=positions)
        values = estimator.get_feature_importance(pool, type="ShapValues", thread_count=1)
        return values[:, None, :] if values.ndim == 2 else values

    return contribute


def _explain_blend(blend: Any, feature_count: int, means: np.ndarray | None) -> Explainer:
    members = [find_explainer(member.model, feature_count, means) for member in blend.members]
    scales = {member.scale for member in members}
    if len(scales) > 1:
        raise NoExplainerError(f"its members have different scores: {' and '.join(sorted(scales))}")
    class_count = blend.members[0].class_count
    known_classes = [member.known_classes for member in blend.members]
    if any(known is not None and len(known) < class_count for known in known_classes):
        raise NoExplainerError("some of its members do not know all classes")
    (scale,) = scales
    return BlendExplainer(members, blend.weights, known_classes, scale, sum(member.cost for member in members))
