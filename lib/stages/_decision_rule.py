"""The decision rule of a trained model: made from the parameters, stored with the model, logged and described."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.evaluation.decisions import make_rule
from lib.evaluation.out_of_fold import OutOfFold, check_class_sizes
from lib.metrics import Predictions
from lib.scoring.decision_classifier import with_rule
from lib.scoring.decision_rules import DecisionRule, ThresholdRule
from lib.stages._folds import Fold

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.stages._model_rows import ModelRows


def add_rule(
    model: Any, rows: ModelRows, predict: Callable[[], OutOfFold], parameters: Parameters
) -> tuple[Any, DecisionRule | None]:
    """Return a model with the decision rule that the parameters ask for, and the rule.

    Parameters
    ----------
    model : estimator
        Fitted on the training rows.
    rows : ModelRows
    predict : callable
        Returns out-of-fold predictions for the training rows.
    parameters : Parameters

    Returns
    -------
    model : estimator
        The unchanged model if the most probable class is to be predicted.
    rule : ThresholdRule, CostRule or None
    """
    rule = make_rule(parameters, rows.X, rows.y, predict, rows.weights)
    return (model if rule is None else with_rule(model, rule)), rule


def collect_out_of_fold(folds: Sequence[Fold], y: pd.Series) -> OutOfFold:
    """Return the predictions of all folds of a classification together.

    Parameters
    ----------
    folds : sequence of Fold
        At least one; all predictions have the same classes.
    y : Series of shape (rows,)
        The target of the training rows.

    Raises
    ------
    DataError
        If a class has too few rows.
    """
    check_class_sizes(y)
    first = folds[0].predictions
    rows = np.concatenate([fold.rows for fold in folds])
    labels = np.concatenate([fold.predictions.labels for fold in folds])
    probabilities = np.concatenate([fold.predictions.class_probabilities for fold in folds])
    raw = [fold.predictions.rows for fold in folds]
    raw_rows = pd.concat(raw) if all(part is not None for part in raw) else None
    weights = [fold.predictions.weights for fold in folds if fold.predictions.weights is not None]
    all_weights = np.concatenate(weights) if weights else None
    merged = replace(first, labels=labels, probabilities=probabilities, rows=raw_rows, weights=all_weights)
    return OutOfFold(rows, merged)


def apply_rule(folds: Sequence[Fold], rule: DecisionRule | None) -> list[Fold]:
    """Return the predictions of folds with the labels that a rule chooses; unchanged if it is None."""
    if rule is None:
        return list(folds)
    return [replace(fold, predictions=_choose_labels(fold.predictions, rule)) for fold in folds]


def _choose_labels(predictions: Predictions, rule: DecisionRule) -> Predictions:
    """Return predictions with the labels that a rule chooses."""
    labels = np.array(predictions.class_names, dtype=object)[rule.choose(predictions.class_probabilities)]
    return replace(predictions, labels=labels.astype(predictions.labels.dtype), rule=rule)


def describe_rule(rule: DecisionRule, classes: list[Any]) -> str:
    """Return in one sentence which class a model with a rule predicts.

    Examples
    --------
    >>> describe_rule(ThresholdRule(1, 0.2345, "cost", (0.2, 0.3)), ["no", "yes"])
    "'yes' is predicted from a probability of 0.2345 on (threshold: cost, 95 % interval 0.2 to 0.3)."
    """
    if not isinstance(rule, ThresholdRule):
        return "The class with the lowest expected cost is predicted (threshold: cost)."
    origin = f"threshold: {rule.origin}"
    if rule.interval is not None:
        origin += ", 95 % interval {:.4g} to {:.4g}".format(*rule.interval)
    return (
        f"{str(classes[rule.positive_column])!r} is predicted from a probability of {rule.threshold:.4g} on ({origin})."
    )


def rule_metrics(rule: DecisionRule | None) -> dict[str, float]:
    """Return the threshold and its interval as metrics of an MLflow run; empty for other rules."""
    if not isinstance(rule, ThresholdRule):
        return {}
    names = ("decision_threshold_low", "decision_threshold_high")
    interval = {} if rule.interval is None else dict(zip(names, rule.interval, strict=True))
    return {"decision_threshold": rule.threshold, **interval}
