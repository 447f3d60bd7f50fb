"""The tables of an evaluation: all contenders with their scores, and all gates with their verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from lib import charts
from lib.evaluation.gates import GateResult
from lib.metrics import Metric
from lib.stages._contenders import Contender
from lib.stages._scores import UNDEFINED


def make_gate_table(results: Sequence[GateResult]) -> charts.Table:
    """Return a row for each gate: its verdict, what it measured and its limit."""
    rows = [(result.gate, result.verdict, result.measured, result.limit_in_words) for result in results]
    table = charts.Table(rows, columns=["gate", "verdict", "measured", "limit"]).set_index("gate")
    charts.label(table, "Gates", "What each gate measured, its limit, and its verdict.", section="gates")
    return table


def make_contender_table(contenders: Sequence[Contender], metric: Metric) -> charts.Table:
    """Return the scores of all contenders, best first, with the primary metric in the first column."""
    columns = [metric.name, *(name for name in contenders[0].scores if name != metric.name)]
    ranked = rank_contenders(contenders, metric)
    rows = {contender.name: [contender.scores[column] for column in columns] for contender in ranked}
    table = charts.Table.from_dict(rows, orient="index", columns=columns).rename_axis("contender")
    table.attrs |= {charts.MARKED: [metric.name], charts.NAN_TEXT: UNDEFINED}
    return table


def get_primary_scores(contenders: Sequence[Contender], metric: Metric) -> dict[str, float]:
    """Return each contender's score by the primary metric."""
    return {contender.name: contender.scores[metric.name] for contender in contenders}


def rank_contenders(contenders: Sequence[Contender], metric: Metric) -> list[Contender]:
    """Return the contenders, best first by the primary metric."""
    by_name = {contender.name: contender for contender in contenders}
    return [by_name[name] for name in metric.rank(get_primary_scores(contenders, metric))]
