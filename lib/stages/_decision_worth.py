"""The tables and the chart of an evaluation that show what the models' decisions are worth on the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib import charts
from lib.evaluation.costs import CostMatrix, has_costs, read_amounts, read_binary_costs, read_cost_matrix
from lib.evaluation.decisions import make_binary_rows
from lib.evaluation.worth import make_decision_curve, make_gains_table, make_outcome_table
from lib.parameters.thresholds import DEFAULT_THRESHOLD
from lib.scoring.decision_rules import DecisionRule, ThresholdRule

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages._contenders import Contender


@dataclass(frozen=True)
class Display:
    """A table or a chart, with its name in MLflow and its caption in the notebook."""

    name: str
    content: charts.Chart | charts.Table
    caption: str

    def log(self, backend: Backend) -> None:
        """Log the table or chart to the active MLflow run."""
        if isinstance(self.content, charts.Chart):
            backend.tracking.log_chart(self.content, self.name)
        else:
            backend.tracking.log_table(self.content, self.name)


_OUTCOMES_CAPTION = (
    "Decisions on the test rows: how many are called, that is, predicted as {positive}; how many of this class are "
    "found and how many are missed; how many others are called{cost}."
)
_GAINS_CAPTION = (
    "Gains of the best candidate: of the test rows with the highest probabilities, how many are {positive}, and how "
    "many guessing would find."
)
_MULTICLASS_CAPTION = (
    "Cost of the decisions on the test rows, and the cost of always predicting one class, the cheapest."
)
_CURVE_CAPTION = (
    "Decision curve of the best candidate: the net benefit of acting on rows whose probability reaches a threshold. "
    "Where the model's line is the highest, acting on the model is worth more than acting on everybody or on nobody."
)


def show_worth(
    best: Contender, contenders: Sequence[Contender], test: pd.DataFrame, parameters: Parameters
) -> tuple[Display, ...]:
    """Return tables and a chart with captions; none for a regression, or for many classes without costs.

    Parameters
    ----------
    best : Contender
        The best candidate.
    contenders : sequence of Contender
        All contenders, best first.
    test : DataFrame
        The test rows.
    parameters : Parameters
        ``task``, ``target_column``, ``positive_class``, ``costs`` and ``cost_column``.
    """
    y = test[parameters.target_column]
    if parameters.task == "multiclass" and parameters.costs:
        classes = sorted({*y.unique().tolist(), *best.predictions.class_names})
        return (_multiclass_costs(contenders, y, classes, parameters),)
    if parameters.task != "binary" or y.nunique() < 2:
        return ()
    return _binary_displays(best, contenders, test, parameters)


def _binary_displays(
    best: Contender, contenders: Sequence[Contender], test: pd.DataFrame, parameters: Parameters
) -> tuple[Display, ...]:
    """Return the outcomes of all contenders, and the gains and the decision curve of the best candidate."""
    y = test[parameters.target_column]
    costs = read_binary_costs(parameters, best.predictions.class_names) if has_costs(parameters) else None
    amounts = read_amounts(test, parameters.cost_column) if parameters.cost_column else None
    rows = {
        each.name: make_binary_rows(y, each.predictions, costs, amounts, each.predictions.weights)
        for each in contenders
    }
    is_called = {each.name: each.predictions.labels == each.predictions.positive_class for each in contenders}
    outcomes = charts.Table(make_outcome_table(rows, is_called))
    outcomes.insert(0, "threshold", [_threshold_text(each.predictions.rule) for each in contenders] + ["", ""])
    if costs is None:
        outcomes = outcomes.drop(columns="cost")
    _show_counts_as_integers(outcomes, ("called", "found", "missed", "false alarms", "cost"))
    outcomes.attrs[charts.MARKED] = [best.name]
    gains = charts.Table(make_gains_table(rows[best.name]).round({"rows": 0, "found": 1, "guessing": 1}))
    _show_counts_as_integers(gains, ("rows", "found"))
    rule = best.predictions.rule
    threshold = rule.threshold if isinstance(rule, ThresholdRule) else DEFAULT_THRESHOLD
    curve = charts.decision_curve(make_decision_curve(rows[best.name], threshold), threshold)
    positive = repr(str(best.predictions.positive_class))
    cost = ", and the total cost" if costs is not None else ""
    return (
        make_display("decisions", "Decisions", outcomes, _OUTCOMES_CAPTION.format(positive=positive, cost=cost)),
        make_display("gains", "Gains", gains, _GAINS_CAPTION.format(positive=positive)),
        make_display("decision_curve", "Decision curve", curve, _CURVE_CAPTION),
    )


def _show_counts_as_integers(table: charts.Table, names: Sequence[str]) -> None:
    """Convert columns whose numbers are all whole; with weights or costs they need not be."""
    for name in names:
        if name in table and (table[name] == table[name].round()).all():
            table[name] = table[name].astype(int)


def make_display(
    name: str, title: str, content: charts.Chart | charts.Table, caption: str, section: str = "decisions"
) -> Display:
    """Return a table or chart with a caption, and a title in a section of the report, see `charts.label`."""
    charts.label(content, title, caption, section)
    return Display(name, content, caption)


def _threshold_text(rule: DecisionRule | None) -> str:
    """Return the threshold of a contender, and its interval if it was chosen from data."""
    if not isinstance(rule, ThresholdRule):
        return "0.5"
    interval = "" if rule.interval is None else " ({:.3g} to {:.3g})".format(*rule.interval)
    return f"{rule.threshold:.3g}{interval}"


def _multiclass_costs(contenders: Sequence[Contender], y: pd.Series, classes: list, parameters: Parameters) -> Display:
    """Return the cost of each contender's decisions, and the lowest cost of always predicting one class."""
    matrix = read_cost_matrix(parameters.costs, classes, parameters.target_column)
    given = contenders[0].predictions.weights
    truth, weights = y.to_numpy(), np.ones(len(y)) if given is None else given
    totals = {each.name: _total_cost(truth, each.predictions.labels, weights, classes, matrix) for each in contenders}
    constants = {label: _total_cost(truth, np.full(len(y), label), weights, classes, matrix) for label in classes}
    cheapest = min(constants, key=lambda label: constants[label])
    totals[f"always {cheapest}"] = constants[cheapest]
    table = charts.Table(
        {"cost": totals, "cost per row": {name: total / weights.sum() for name, total in totals.items()}}
    ).rename_axis("decisions of")
    return make_display("decisions", "Costs", table, _MULTICLASS_CAPTION)


def _total_cost(truth: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: list, matrix: CostMatrix) -> float:
    """Return the cost of all predicted labels, each times the weight of its row."""
    positions = {label: position for position, label in enumerate(classes)}
    pairs = zip(truth.tolist(), labels.tolist(), strict=True)
    costs = np.array([matrix[positions[actual]][positions[predicted]] for actual, predicted in pairs])
    return float(costs @ weights)
