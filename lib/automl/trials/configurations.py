"""The portfolio of the default engine: its configurations, in the order of the trials.

References
----------
Most configurations after the first of each family are close to some of the portfolio in Salinas and Erickson: TabRepo:
a large scale repository of tabular model evaluations and its AutoML applications. AutoML 2024.
"""

from __future__ import annotations

from typing import Any

# Family and hyperparameters of each configuration. A family's first configuration has the defaults, {}. Every other
# configuration was chosen because it improves a blend of the earlier configurations most.
PORTFOLIO: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lightgbm", {}),
    ("linear", {}),
    ("extra_trees", {}),
    ("catboost", {}),
    ("neural_network", {}),
    ("xgboost", {}),
    ("random_forest", {}),
    ("lightgbm", {"num_leaves": 15, "colsample_bytree": 0.5}),
    ("lightgbm", {"extra_trees": True}),
    ("neighbours", {}),
    ("gradient_boosting", {}),
    ("lightgbm", {"learning_rate": 0.03, "num_leaves": 128, "colsample_bytree": 0.9, "min_child_samples": 3}),
    ("catboost", {"depth": 8, "grow_policy": "Depthwise", "l2_leaf_reg": 2.8, "one_hot_max_size": 2}),
    ("neural_network", {"hidden_layer_sizes": (256, 256), "alpha": 1e-3, "learning_rate_init": 1e-3}),
    ("xgboost", {"colsample_bytree": 0.69, "learning_rate": 0.04, "max_depth": 10, "min_child_weight": 0.6}),
    ("extra_trees", {"max_features": "sqrt", "min_samples_leaf": 1}),
    ("catboost", {"depth": 4, "l2_leaf_reg": 4.6, "learning_rate": 0.08, "one_hot_max_size": 3}),
    ("lightgbm", {"colsample_bytree": 0.7, "learning_rate": 0.03, "min_child_samples": 14, "num_leaves": 53}),
    ("random_forest", {"max_features": "sqrt", "min_samples_leaf": 1}),
    ("xgboost", {"colsample_bytree": 0.66, "learning_rate": 0.09, "max_depth": 5, "subsample": 0.8}),
    ("gradient_boosting", {"max_leaf_nodes": 15, "learning_rate": 0.05}),
    ("neighbours", {"n_neighbors": 25}),
    ("lightgbm", {"num_leaves": 63, "min_child_samples": 40, "subsample": 0.8}),
    ("linear", {"C": 0.05}),
    ("neural_network", {"hidden_layer_sizes": (64,), "alpha": 1e-2}),
    ("catboost", {"depth": 6, "l2_leaf_reg": 2.15, "learning_rate": 0.03, "max_ctr_complexity": 2}),
)
