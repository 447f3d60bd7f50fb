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
    "lightgbm": boosting.fit_lightgbm,
    "extra_trees": forests.fit_extra_trees,
    "catboost": boosting.fit_catboost,
    "neural_network": scaled_models.fit_neural_network,
    "xgboost": boosting.fit_xgboost,
    "random_forest": forests.fit_random_forest,
    "linear": scaled_models.fit_linear,
    "neighbours": scaled_models.fit_neighbours,
    "gradient_boosting": boosting.fit_gradient_boosting,
}
# Families that can be fitted on all rows, because they also return out-of-bag outputs, by which models are compared.
BAGGED_FIT_FUNCTIONS: dict[str, Callable[[np.ndarray, np.ndarray, FitRequest], tuple[Any, np.ndarray]]] = {
    "random_forest": forests.fit_bagged_random_forest,
}
