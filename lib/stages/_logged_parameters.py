"""The parameters that the train stage logs to MLflow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lib.secrets import known_values

if TYPE_CHECKING:
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
    "class_weight",
    "weight_column",
    "threshold",
    "costs",
    "cost_column",
    "coverage",
    "groups",
)


def collect_logged_parameters(
    function: Callable[..., Any], hyperparameters: Mapping[str, Any], parameters: Parameters
) -> dict[str, Any]:
    """Return the MLflow params of the run, including the default hyperparameters of the training function."""
    all_hyperparameters = {**_default_hyperparameters(function), **hyperparameters}
    return {
        "training_function": parameters.training_function,
        **{name: parameters[name] for name in _LOGGED_PARAMETERS},
        **{f"hyperparameters.{name}": _mask_secrets(value) for name, value in all_hyperparameters.items()},
    }


def _mask_secrets(value: Any) -> Any:
    """Return a value for the log, in which resolved secrets are replaced by the reference in the parameters."""
    masked = known_values.mask(str(value))
    return value if masked == str(value) else masked


def _default_hyperparameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only parameters of a training function with their defaults."""
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
