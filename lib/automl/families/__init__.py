"""Model families: functions ``(features, y, request) -> estimator`` that fit one model within a time limit.

The features are encoded numbers. Class labels are 0, 1, 2, ... without gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lib.automl.families import boosting, forests, scaled_models
from lib.automl.families.fit_request import FitRequest

__all__ = ["BAGGED_FIT_FUNCTIONS", "FIT_FUNCTIONS", "FitRequest"]

FIT_FUNCTIONS: dict[str, Callable[[np.ndarray, np.ndarray, FitRequest], Any]] = {
    "lightgbm": boosting.lightgbm,
    "extra_trees": forests.extra_trees,
    "catboost": boosting.catboost,
    "neural_network": scaled_models.neural_network,
    "xgboost": boosting.xgboost,
    "random_forest": forests.random_forest,
    "linear": scaled_models.linear,
    "neighbours": scaled_models.neighbours,
    "gradient_boosting": boosting.gradient_boosting,
}
# Families that can be fitted on all rows, because they also return out-of-bag outputs to compare them on.
BAGGED_FIT_FUNCTIONS: dict[str, Callable[[np.ndarray, np.ndarray, FitRequest], tuple[Any, np.ndarray]]] = {
    "random_forest": forests.bagged_random_forest,
}
