"""The parameters ``gates`` and ``groups``: the gates that exist, and the checks of their limits without the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib import metrics
from lib.errors import suggest
from lib.metrics import custom

# Gates that every evaluation checks. Their limits are parameters of their own, such as `min_score`.
ALWAYS_CHECKED = ("finite_score", "no_skill", "min_score", "champion", "accept")
RATIO_SUFFIX = "_ratio"
# Rates of a binary task by group, as fairlearn defines them.
RATES = (
    "selection_rate",
    "accuracy",
    "true_positive_rate",
    "false_positive_rate",
    "true_negative_rate",
    "false_negative_rate",
)
# Two rates together: the greater of both differences, or the smaller of both ratios.
EQUALIZED_ODDS = "equalized_odds"


@dataclass(frozen=True)
class LimitSpec:
    """The limit of a gate in the parameter ``gates``.

    Attributes
    ----------
    low, high : float
        Range of the limit, both ends included.
    needs : str
        Parameter without which the gate has nothing to measure; empty if there is none.
    """

    low: float
    high: float
    needs: str = ""


# The number that each gate takes as its limit; `group_gap` takes a number for each rate.
LIMITS: dict[str, LimitSpec] = {
    "train_test_gap": LimitSpec(0, math.inf),
    "near_perfect": LimitSpec(0, 1),
    "row_on_both_sides": LimitSpec(0, 1),
    "column_alone": LimitSpec(0, 1),
    "worst_slice": LimitSpec(-math.inf, math.inf, needs="groups"),
    "group_gap": LimitSpec(0, math.inf, needs="groups"),
    "latency_ms": LimitSpec(0.001, math.inf),
    "size_mb": LimitSpec(0.001, math.inf),
    "coverage": LimitSpec(0, 1, needs="coverage"),
    "contract": LimitSpec(0, 1, needs="contract"),
}
GATES = (*ALWAYS_CHECKED, *LIMITS)


def active_gates(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of the gates that the parameters switch on.

    Examples
    --------
    >>> active_gates({"gates": {"latency_ms": 20, "column_alone": None}})
    {'latency_ms': 20}
    """
    return {name: limit for name, limit in (values.get("gates") or {}).items() if limit is not None}


def gate_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each fault of ``gates`` and ``groups``.

    Parameters
    ----------
    values : mapping
        The checked values of some parameters.

    Examples
    --------
    >>> gate_faults({"gates": {"latency": 20}})[0][:75]
    "gates: there is no gate 'latency' with a limit. Did you mean 'latency_ms'? "
    """
    faults = []
    for name, limit in active_gates(values).items():
        if name not in LIMITS:
            faults.append(_unknown_gate_fault(name))
            continue
        needed = LIMITS[name].needs
        if needed in values and not values[needed]:
            faults.append(
                f"gates: {name} needs the parameter {needed}, which is empty. Set {needed}, or remove {name}."
            )
        if name == "group_gap":
            faults += _gap_faults(limit, values)
        elif fault := _number_fault(limit, LIMITS[name].low, LIMITS[name].high):
            faults.append(f"gates: {name} is {limit!r}; {fault}")
    return faults + _group_faults(values)


def gap_names(task: str, own_metrics: Sequence[str] = ()) -> list[str]:
    """Return the scores that ``group_gap`` may compare between groups.

    Parameters
    ----------
    task : str
    own_metrics : sequence of str, optional
        The customer's metrics that the use case names.

    Examples
    --------
    >>> gap_names("regression", ["cost"])
    ['r2', 'rmse', 'mae', 'mape', 'cost']
    """
    rates = [*RATES, EQUALIZED_ODDS] if task == "binary" else []
    return list(dict.fromkeys([*rates, *metrics.names(task), *own_metrics]))


def _unknown_gate_fault(name: str) -> str:
    """Return a sentence about a gate that has no limit in ``gates``."""
    if name in ALWAYS_CHECKED:
        parameter = {"min_score": "min_score", "champion": "promote_if and margin"}.get(name)
        remedy = f" Set {parameter} instead." if parameter else " It is always checked; remove it from gates."
        return f"gates: {name} has no limit in gates.{remedy}"
    return f"gates: there is no gate {name!r} with a limit. {suggest(name, LIMITS)}"


def _gap_faults(limits: Any, values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each fault of the limits of ``group_gap``."""
    if not isinstance(limits, Mapping) or not limits:
        return [f"gates: group_gap is {limits!r}; expected a limit by rate, e.g. {{false_positive_rate: 0.1}}."]
    faults = []
    names = gap_names(values["task"], _own_metrics(values)) if values.get("task") in metrics.TASKS else None
    for name, limit in limits.items():
        is_ratio = name.endswith(RATIO_SUFFIX)
        if names is not None and name.removesuffix(RATIO_SUFFIX) not in names:
            known = [*names, *(f"{each}{RATIO_SUFFIX}" for each in names)]
            remedy = _advise_to_list(name) or suggest(name, known)
            faults.append(f"gates: group_gap: a {values['task']} task has no {name!r}. {remedy}")
        elif fault := _number_fault(limit, 0, 1 if is_ratio else math.inf):
            faults.append(f"gates: group_gap.{name} is {limit!r}; {fault}")
    return faults


def _own_metrics(values: Mapping[str, Any]) -> list[str]:
    """Return the customer's own metrics that the use case names: those in ``metrics``, and the primary one."""
    named = {*(values.get("metrics") or {}), values.get("primary_metric")}
    return [name for name in custom.names() if name in named]


def _advise_to_list(name: str) -> str:
    """Return what to do about one of the customer's metrics that the use case does not name; empty for other names."""
    metric = name.removesuffix(RATIO_SUFFIX)
    return f"List it under metrics: {{{metric}: {{}}}}." if metric in custom.names() else ""


def _number_fault(limit: Any, low: float, high: float) -> str:
    """Return what is expected of a limit; empty if it is a finite number in the range."""
    is_number = isinstance(limit, (int, float)) and not isinstance(limit, bool) and math.isfinite(limit)
    if is_number and low <= limit <= high:
        return ""
    if math.isfinite(low) and math.isfinite(high):
        return f"expected a number from {low:g} to {high:g}."
    return f"expected a number of at least {low:g}." if math.isfinite(low) else "expected a number."


def _group_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each column that cannot split the test rows into groups."""
    groups = values.get("groups") or []
    faults: list[str] = []
    if values.get("target_column") and values["target_column"] in groups:
        faults.append(f"groups: {values['target_column']!r} is the target_column; groups need another column.")
    if values.get("weight_column") and values["weight_column"] in groups:
        faults.append(f"groups: {values['weight_column']!r} is the weight_column; groups need another column.")
    return faults
