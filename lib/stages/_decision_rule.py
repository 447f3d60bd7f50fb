"""The decision rule of a trained model: made from the parameters, stored with the model, logged and described."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lib.evaluation.decisions import make_rule
from lib.evaluation.out_of_fold import OutOfFold
from lib.scoring.decision_classifier import with_rule
from lib.scoring.decision_rules import DecisionRule, ThresholdRule

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
    rule = make_rule(parameters, rows.X, rows.y, predict)
    return (model if rule is None else with_rule(model, rule)), rule


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
