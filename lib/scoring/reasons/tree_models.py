"""The trees of scikit-learn's models and of XGBoost as arrays, from which `tree_shap` computes Shapley values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lib.scoring.reasons.tree_shap import TreeArrays


class NoTreesError(Exception):
    """A model has no trees that can be converted."""


def convert_trees(model: Any) -> TreeArrays:
    """Return the trees of a fitted model.

    Parameters
    ----------
    model : estimator
        A histogram gradient boosting, a forest or a tree of scikit-learn. Boosting is described by its raw predictions,
        before the link function: log-odds for classes. A forest of classes is described by its probabilities.

    Raises
    ------
    NoTreesError
        If the model is of another type, or splits by categories.
    """
    convert = _CONVERTERS.get(type(model).__name__)
    if convert is None or not type(model).__module__.startswith("sklearn."):
        raise NoTreesError(f"{type(model).__name__} is not a tree model of scikit-learn")
    return convert(model)


def _convert_boosting(model: Any) -> TreeArrays:
    """Convert a HistGradientBoostingClassifier or HistGradientBoostingRegressor."""
    if model._preprocessor is not None or model.is_categorical_ is not None:
        raise NoTreesError("the model splits by categories")
    output_count = model.n_trees_per_iteration_
    trees = []
    for iteration in model._predictors:
        for output, predictor in enumerate(iteration):
            nodes = predictor.nodes
            is_leaf = nodes["is_leaf"].astype(bool)
            values = np.zeros((len(nodes), output_count))
            values[is_leaf, output] = nodes["value"][is_leaf]
            left, right = (np.where(is_leaf, -1, nodes[side].astype(int)) for side in ("left", "right"))
            trees.append(
                TreeArrays(
                    left,
                    right,
                    nodes["feature_idx"].astype(int),
                    nodes["num_threshold"],
                    nodes["missing_go_to_left"].astype(bool),
                    nodes["count"].astype(float),
                    values,
                    np.zeros(output_count),
                )
            )
    return _concatenate(trees, np.reshape(model._baseline_prediction, output_count).astype(float))


def _convert_forest(model: Any) -> TreeArrays:
    """Convert a forest, whose output is the mean of its trees."""
    return _convert_sklearn_trees(model.estimators_, 1 / len(model.estimators_))


def _convert_tree(model: Any) -> TreeArrays:
    return _convert_sklearn_trees([model], 1.0)


def _convert_sklearn_trees(estimators: Sequence[Any], weight: float) -> TreeArrays:
    trees = []
    for estimator in estimators:
        tree = estimator.tree_
        if tree.n_outputs != 1:
            raise NoTreesError("the model predicts several targets")
        is_leaf = tree.children_left < 0
        values = tree.value[:, 0, :].astype(float)
        if hasattr(estimator, "classes_"):
            values = values / values.sum(axis=1, keepdims=True)
        trees.append(
            TreeArrays(
                tree.children_left.astype(int),
                tree.children_right.astype(int),
                np.maximum(tree.feature, 0).astype(int),
                tree.threshold.astype(float),
                tree.missing_go_to_left.astype(bool),
                tree.weighted_n_node_samples.astype(float),
                np.where(is_leaf[:, None], values * weight, 0.0),
                np.zeros(values.shape[1]),
                is_single_precision=True,
            )
        )
    return _concatenate(trees, np.zeros(trees[0].values.shape[1]))


def _concatenate(trees: Sequence[TreeArrays], baseline: np.ndarray) -> TreeArrays:
    """Return the nodes of all trees together, each tree in depth-first order."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in _NODE_ARRAYS}
    first = 0
    for tree in trees:
        order = _depth_first_order(tree.left.tolist(), tree.right.tolist())
        position = np.empty(len(order), dtype=int)
        position[order] = np.arange(first, first + len(order))
        for name in _NODE_ARRAYS:
            array = getattr(tree, name)[order]
            if name in ("left", "right"):
                array = np.where(array >= 0, position[array], -1)
            parts[name].append(array)
        first += len(order)
    arrays = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return TreeArrays(**arrays, baseline=baseline, is_single_precision=trees[0].is_single_precision)


def _depth_first_order(left: list[int], right: list[int]) -> np.ndarray:
    """Return the numbers of a tree's nodes from the root, each left subtree before the right one."""
    order, stack = [], [0]
    while stack:
        node = stack.pop()
        order.append(node)
        if left[node] >= 0:
            stack += [right[node], left[node]]
    return np.array(order)


_NODE_ARRAYS = ("left", "right", "feature", "threshold", "missing_left", "cover", "values")
_CONVERTERS: dict[str, Callable[[Any], TreeArrays]] = {
    "HistGradientBoostingClassifier": _convert_boosting,
    "HistGradientBoostingRegressor": _convert_boosting,
    "RandomForestClassifier": _convert_forest,
    "RandomForestRegressor": _convert_forest,
    "ExtraTreesClassifier": _convert_forest,
    "ExtraTreesRegressor": _convert_forest,
    "DecisionTreeClassifier": _convert_tree,
    "DecisionTreeRegressor": _convert_tree,
    "ExtraTreeClassifier": _convert_tree,
    "ExtraTreeRegressor": _convert_tree,
}


def convert_xgboost(estimator: Any) -> TreeArrays:
    """Return the trees of a fitted XGBClassifier or XGBRegressor, for its margin: the log-odds or the number.

    With early stopping, only the rounds up to the best one predict, so the others are left out.

    Raises
    ------
    NoTreesError
        If the booster is no ensemble of trees with constant weights, or splits by categories.
    """
    booster = estimator.get_booster()
    learner = json.loads(booster.save_raw("json"))["learner"]
    if learner["gradient_booster"]["name"] != "gbtree":
        raise NoTreesError(f"the booster is of type {learner['gradient_booster']['name']}")
    model = learner["gradient_booster"]["model"]
    output_count = max(1, int(learner["learner_model_param"]["num_class"]))
    rounds = len(model["iteration_indptr"]) - 1
    if getattr(estimator, "early_stopping_rounds", None):
        rounds = estimator.best_iteration + 1
    count = model["iteration_indptr"][rounds]
    trees = [
        _convert_xgboost_tree(tree, output, output_count)
        for tree, output in zip(model["trees"][:count], model["tree_info"][:count], strict=True)
    ]
    converted = _concatenate(trees, np.zeros(output_count))
    return replace(converted, baseline=_find_base_margin(estimator, converted))


def _convert_xgboost_tree(tree: dict[str, Any], output: int, output_count: int) -> TreeArrays:
    if any(tree["split_type"]):
        raise NoTreesError("the model splits by categories")
    left = np.array(tree["left_children"], dtype=int)
    is_leaf = left < 0
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    values = np.zeros((len(left), output_count))
    values[is_leaf, output] = conditions[is_leaf]
    return TreeArrays(
        left,
        np.array(tree["right_children"], dtype=int),
        np.array(tree["split_indices"], dtype=int),
        # XGBoost goes to the left below the threshold, so equality goes to the right.
        np.nextafter(conditions, np.float32(-np.inf)).astype(float),
        np.array(tree["default_left"], dtype=bool),
        np.array(tree["sum_hessian"], dtype=float),
        values,
        np.zeros(output_count),
        is_single_precision=True,
    )


def _find_base_margin(estimator: Any, trees: TreeArrays) -> np.ndarray:
    """Return what XGBoost adds to the sums of the leaves, from its margin for a row of missing values."""
    from xgboost import DMatrix

    row = np.full((1, estimator.n_features_in_), np.nan, dtype=np.float32)
    rounds = (0, estimator.best_iteration + 1) if getattr(estimator, "early_stopping_rounds", None) else (0, 0)
    matrix = DMatrix(row, nthread=1)
    margin = estimator.get_booster().predict(
        matrix, output_margin=True, iteration_range=rounds, validate_features=False
    )
    parent = np.full(len(trees.left), -1)
    inner = np.flatnonzero(trees.left >= 0)
    parent[trees.left[inner]] = parent[trees.right[inner]] = inner
    nodes = np.flatnonzero(parent < 0)
    total = np.zeros(trees.values.shape[1])
    while len(nodes):
        total += trees.values[nodes].sum(axis=0)
        nodes = nodes[trees.left[nodes] >= 0]
        nodes = np.where(trees.missing_left[nodes], trees.left[nodes], trees.right[nodes])
    return np.asarray(np.ravel(margin).astype(float) - total)
