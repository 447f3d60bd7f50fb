"""The parameters ``threshold``, ``costs`` and ``class_weight``: their meaning, and their checks without the table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib.errors import ParameterError, suggest

DEFAULT_THRESHOLD = 0.5
F1, RECALL, PRECISION, COST = "f1", "recall", "precision", "cost"
# The outcomes of a row in a binary task, which `costs` gives a cost.
OUTCOMES = ("false_negative", "false_positive", "true_positive", "true_negative")
_EXPECTED = "a number between 0 and 1, f1, recall:0.8, precision:0.8 or cost"


@dataclass(frozen=True)
class ThresholdSetting:
    """How the threshold of a classification is determined.

    Attributes
    ----------
    goal : str
        ``"fixed"``, ``"f1"``, ``"recall"``, ``"precision"`` or ``"cost"``.
    value : float
        The fixed threshold, or the minimum recall or precision, 0 to 1; NaN for ``"f1"`` and ``"cost"``.
    """

    goal: str
    value: float = math.nan

    @property
    def is_default(self) -> bool:
        """Whether the most probable class is predicted, as scikit-learn does."""
        return self.goal == "fixed" and self.value == DEFAULT_THRESHOLD

    @property
    def is_chosen_from_data(self) -> bool:
        """Whether the threshold depends on the predictions for training rows."""
        return self.goal != "fixed"


def parse_threshold(value: Any) -> ThresholdSetting:
    """Parse the parameter ``threshold``.

    Raises
    ------
    ParameterError
        If the value is neither a number between 0 and 1 nor one of the goals.

    Examples
    --------
    >>> parse_threshold(0.3)
    ThresholdSetting(goal='fixed', value=0.3)
    >>> parse_threshold("recall:0.8")
    ThresholdSetting(goal='recall', value=0.8)
    >>> parse_threshold("cost").goal
    'cost'
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 < value < 1:
            raise ParameterError(f"threshold: {value} is out of range; expected {_EXPECTED}.")
        return ThresholdSetting("fixed", float(value))
    goal, colon, text = str(value).replace(" ", "").partition(":")
    if goal in (F1, COST) and not colon:
        return ThresholdSetting(goal)
    if goal in (RECALL, PRECISION):
        number = _parse_number(text)
        if not 0 < number <= 1:  # NaN is out of range, too
            raise ParameterError(f"threshold: {value!r} needs a {goal} above 0 and up to 1, such as {goal}:0.8.")
        return ThresholdSetting(goal, number)
    raise ParameterError(
        f"threshold: got {value!r}, expected {_EXPECTED}. {suggest(goal, (F1, RECALL, PRECISION, COST))}"
    )


def threshold_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each fault of ``threshold``, ``costs`` and ``cost_column``.

    Parameters
    ----------
    values : mapping
        The checked values of some parameters.

    Examples
    --------
    >>> threshold_faults({"task": "regression", "threshold": "f1"})
    ['threshold: a regression has no classes, so it has no threshold. Leave it at 0.5.']
    """
    try:
        setting = parse_threshold(values.get("threshold", DEFAULT_THRESHOLD))
    except ParameterError as error:
        return [str(error)]
    task, costs = values.get("task", ""), values.get("costs") or {}
    cost_column = values.get("cost_column") or ""
    faults = []
    if task == "regression":
        if not setting.is_default:
            faults.append("threshold: a regression has no classes, so it has no threshold. Leave it at 0.5.")
        if costs or cost_column:
            name = "costs" if costs else "cost_column"
            faults.append(f"{name}: only classifications have costs of errors. Leave it empty.")
        return faults
    if task == "multiclass" and not setting.is_default and setting.goal != COST:
        faults.append(
            f"threshold: {values['threshold']} needs a binary task. With more classes, the choices are 0.5, which "
            "means the most probable class, and cost."
        )
    if setting.goal == COST and not costs and not cost_column:
        faults.append("threshold: cost needs costs, e.g. costs: {false_negative: 500, false_positive: 20}.")
    if costs:
        faults += _cost_faults(costs, task)
    if cost_column:
        faults += _cost_column_faults(cost_column, costs, values)
    return faults


def class_weight_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each fault of ``class_weight``.

    Parameters
    ----------
    values : mapping
        The checked values of some parameters.

    Examples
    --------
    >>> class_weight_faults({"task": "binary", "class_weight": {"yes": -1}})
    ['class_weight: the weight of yes is -1; expected a number above 0.']
    """
    class_weight = values.get("class_weight")
    if not class_weight:
        return []
    if values.get("task") == "regression":
        return ["class_weight: a regression has no classes. Leave it empty."]
    if values.get("automl"):
        return ["class_weight: AutoML trains without weights. Leave it empty, and set threshold instead."]
    if values.get("engine") == "dask":
        return ["class_weight: it needs the table in memory. Leave it empty, or set engine to memory."]
    if class_weight == "balanced":
        return []
    return [
        f"class_weight: the weight of {name} is {weight!r}; expected a number above 0."
        for name, weight in class_weight.items()
        if not _is_cost(weight) or weight <= 0
    ]


def _cost_faults(costs: Mapping[str, Any], task: str) -> list[str]:
    """Return one sentence for each fault of ``costs``: of its names, of its numbers, or of the task."""
    if any(isinstance(value, dict) for value in costs.values()):
        return _matrix_faults(costs)
    if task == "multiclass":
        return [
            "costs: a multiclass task needs the cost of each error by actual and predicted class, e.g. "
            "{cat: {dog: 5, bird: 1}, dog: {cat: 2}}."
        ]
    faults = [
        f"costs: there is no outcome {name!r}. {suggest(name, OUTCOMES)}" for name in costs if name not in OUTCOMES
    ]
    faults += [
        f"costs: {name} is {value!r}; expected a number." for name, value in costs.items() if not _is_cost(value)
    ]
    if not faults and not _makes_errors_costly(costs):
        faults.append("costs: at least one error must cost more than the correct prediction for the same class.")
    return faults


def _makes_errors_costly(costs: Mapping[str, float]) -> bool:
    """Return whether no error is cheaper than the correct prediction, and at least one is more expensive."""
    extra_costs = [
        costs.get("false_negative", 0) - costs.get("true_positive", 0),
        costs.get("false_positive", 0) - costs.get("true_negative", 0),
    ]
    return min(extra_costs) >= 0 and max(extra_costs) > 0


def _matrix_faults(costs: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each fault of costs by actual and predicted class."""
    faults = []
    for actual, row in costs.items():
        if not isinstance(row, dict):
            faults.append(f"costs: {actual} is {row!r}; expected the cost of each predicted class, e.g. {{dog: 5}}.")
            continue
        for predicted, cost in row.items():
            if not _is_cost(cost) or cost < 0:
                faults.append(f"costs: {actual}.{predicted} is {cost!r}; expected a number that is not negative.")
            elif predicted == actual and cost:
                faults.append(f"costs: {actual}.{predicted} is a correct prediction, which costs nothing. Remove it.")
    if not faults and not any(cost for row in costs.values() for cost in row.values()):
        faults.append("costs: all costs are 0; at least one error must cost something.")
    return faults


def _cost_column_faults(cost_column: str, costs: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each conflict of ``cost_column`` with other parameters."""
    faults = []
    if values.get("task", "binary") != "binary" or any(isinstance(value, dict) for value in costs.values()):
        faults.append(
            "cost_column: it contains the cost of a false negative, so it needs a binary task, and costs by outcome, "
            "e.g. {false_positive: 20}."
        )
    if cost_column == values.get("target_column"):
        faults.append(f"cost_column: {cost_column!r} is the target_column.")
    if cost_column in values.get("drop_columns", ()):
        faults.append(f"cost_column: {cost_column!r} is in drop_columns; remove it from drop_columns.")
    return faults


def _is_cost(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _parse_number(text: str) -> float:
    """Return a text as a number, or NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
