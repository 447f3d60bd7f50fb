"""What the AutoML stage logs to MLflow: parameters, metrics, a child run for each model, and the best model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib.stages import _features
from lib.stages._model_rows import ModelRows, make_examples
from lib.stages._scores import to_mlflow_metrics

if TYPE_CHECKING:
    from lib.automl import SearchResult
    from lib.backends.base import Backend
    from lib.parameters import Parameters

_LOGGED_PARAMETERS = (
    "train_data",
    "test_data",
    "target_column",
    "task",
    "primary_metric",
    "seed",
    "positive_class",
    "threads",
    "automl_engine",
    "automl_presets",
    "automl_budget_minutes",
    "max_trials",
    "allowed_models",
    "blocked_models",
    "n_cross_validations",
    "validation_fraction",
    "ensemble",
    "max_latency_ms",
    "threshold",
    "costs",
    "cost_column",
)


def log_parameters(result: SearchResult, parameters: Parameters, features: str) -> None:
    """Log parameters, the customer's features, the name of the best model and the warning to the active run."""
    import mlflow

    logged = {name: parameters[name] for name in _LOGGED_PARAMETERS}
    logged |= {_features.LOGGED_NAME: features} if features else {}
    mlflow.log_params({"training_function": "automl", "model": result.best, **logged})
    mlflow.set_tags({"warning": result.warning} if result.warning else {})


def log_metrics(result: SearchResult, scores: pd.DataFrame, rows: ModelRows, threshold: dict[str, float]) -> None:
    """Log the scores and the threshold of the best model, and the size of the search and of its tables."""
    import mlflow

    sizes = {
        "search_seconds": result.seconds,
        "trials": len(result.leaderboard),
        "train_rows": len(rows.X),
        "test_rows": len(rows.X_test),
    }
    mlflow.log_metrics({**to_mlflow_metrics(scores), **sizes, **threshold})


def log_trials(backend: Backend, result: SearchResult, run_id: str) -> None:
    """Log a child run for each model that was tried."""
    for name, row in result.leaderboard.iterrows():
        scores = {
            column.replace("validation ", "validation_").replace("test ", ""): float(value)
            for column, value in row.items()
            if isinstance(value, float) and not math.isnan(value)
        }
        settings = {
            "training_function": f"automl {name}",
            "family": row["family"],
            **result.hyperparameters.get(name, {}),
        }
        backend.tracking.log_child_run(run_id, name, settings, scores, row["outcome"])


def log_best_model(
    backend: Backend, result: SearchResult, rows: ModelRows, baseline: dict[str, Any], parameters: Parameters
) -> None:
    """Log the best model, or its files, with the baseline to the active run."""
    if result.folder is None:
        examples = make_examples(rows, baseline, parameters)
        backend.tracking.log_model(result.model, examples, rows.all_features, baseline)
    else:
        backend.tracking.log_model_folder(result.folder, baseline)
