"""The no-skill model in the leaderboard of AutoML."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import metrics
from lib.automl import DONE
from lib.evaluation.no_skill import NO_SKILL, predict_no_skill
from lib.metrics import Metric, Predictions
from lib.stages._model_rows import ModelRows

if TYPE_CHECKING:
    from lib.parameters import Parameters


def add_no_skill(leaderboard: pd.DataFrame, no_skill: dict[str, Any], metric: Metric) -> pd.DataFrame:
    """Return a leaderboard with a row for the no-skill model, at the place that its score has."""
    row = pd.DataFrame([no_skill], index=pd.Index([NO_SKILL], name=leaderboard.index.name))
    table = pd.concat([leaderboard, row.reindex(columns=leaderboard.columns)])
    return table.loc[metric.rank(table["score"].to_dict())]


def make_no_skill_row(rows: ModelRows, predictions: Predictions, parameters: Parameters) -> dict[str, Any]:
    """Return the no-skill model's row of the leaderboard; its validation rows are all training rows."""
    metric, all_metrics = parameters.metric, metrics.for_task(parameters.task, parameters.own_metrics)
    row: dict[str, Any] = {"family": NO_SKILL, "weight": 0.0, "outcome": DONE}
    for name, X, y in (("validation", rows.X, rows.y), ("test", rows.X_test, rows.y_test)):
        answers = replace(predictions, labels=y.to_numpy(), rows=X, weights=None)
        guess = predict_no_skill(rows.y, y, answers, metric)
        row |= {f"{name} {each.name}": each.score(y, guess) for each in all_metrics}
    return row | {"score": row[f"validation {metric.name}"]}
