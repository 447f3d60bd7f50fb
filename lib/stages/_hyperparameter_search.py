"""The search over hyperparameters in the train stage: its folds, its trials in MLflow, and its table and chart."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import charts, metrics
from lib.errors import DataError, format_count
from lib.evaluation.folds import make_folds
from lib.evaluation.hyperparameter_search import Budget, SearchResult, search
from lib.evaluation.out_of_fold import fit_rows
from lib.parameters.search_space import split_hyperparameters
from lib.stages._decision_worth import Display, make_display

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages._model_rows import ModelRows

# Folds with so many rows suffice to compare models.
_ENOUGH_ROWS = 50_000
_CHART_CAPTION = (
    "The mean score over folds of the training rows of each combination of hyperparameters, and the best one so far. "
    "If the line still rises at the end, a longer search (search_minutes, max_trials) may find a better one."
)
_TABLE_CAPTION = (
    "The combinations that were tried, the best one first. The model has the hyperparameters of the first row."
)


@dataclass(frozen=True)
class HyperparameterSearch:
    """A finished search.

    Attributes
    ----------
    hyperparameters : dict
        The fixed hyperparameters and the best of the searched ones.
    result : SearchResult or None
        None if no hyperparameter is searched.
    seconds : float
        Duration of the search.
    """

    hyperparameters: dict[str, Any]
    result: SearchResult | None = None
    seconds: float = 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user."""
        if self.result is None:
            return ()
        best = self.result.best
        chosen = ", ".join(f"{name} = {value}" for name, value in best.hyperparameters.items())
        note = (
            f"{format_count(len(self.result.trials), 'combination')} of hyperparameters, tried in {self.seconds:.0f} s "
            f"on folds of the training rows. The best one is {chosen}."
        )
        return tuple(filter(None, [note, self.result.warning]))

    def show(self, function: str, metric: metrics.Metric) -> tuple[Display, ...]:
        """Return a chart and a table of the trials; nothing without a search."""
        if self.result is None:
            return ()
        table = _make_table(self.result, metric)
        progress = pd.DataFrame(
            [(function, trial.score, trial.done_seconds) for trial in self.result.trials],
            columns=["family", "score", "done_seconds"],
        )
        chart = charts.search_progress(progress, metric)
        return (
            make_display("search", "Search of hyperparameters", chart, _CHART_CAPTION, "models"),
            make_display("search_trials", "Combinations of hyperparameters", table, _TABLE_CAPTION, "models"),
        )

    def log(self, backend: Backend, run_id: str, function: str, metric: metrics.Metric) -> None:
        """Log each trial as a child run of the training run."""
        if self.result is None:
            return
        for trial in self.result.trials:
            settings = {"training_function": function, **trial.hyperparameters}
            values = {f"folds_{metric.name}": trial.score, "fit_seconds": trial.fit_seconds}
            scores = {name: value for name, value in values.items() if not math.isnan(value)}
            backend.tracking.log_child_run(run_id, f"{function} {trial.name}", settings, scores, trial.outcome)


def search_hyperparameters(
    function: Callable[..., Any],
    fit: Callable[..., Any],
    rows: ModelRows,
    split: Mapping[str, Any] | None,
    parameters: Parameters,
) -> HyperparameterSearch:
    """Search over the hyperparameters that are lists or ranges; without any, return them as they are.

    Parameters
    ----------
    function : callable
        The training function.
    fit : callable
        Called with hyperparameters, features, target and, if there are some, weights; returns a fitted model.
    rows : ModelRows
    split : mapping or None
        The rule that split the table, which the folds respect.
    parameters : Parameters
        ``hyperparameters``, ``training_function``, ``search_minutes``, ``max_trials``, ``primary_metric``, ``task``,
        ``positive_class`` and ``seed``.

    Raises
    ------
    ParameterError
        If no combination can be trained.
    """
    arguments = inspect.signature(function).parameters.values()
    annotations = {argument.name: inspect.formatannotation(argument.annotation) for argument in arguments}
    given = parameters.hyperparameters.get(parameters.training_function) or {}
    fixed, space = split_hyperparameters(given, annotations)
    if not space:
        return HyperparameterSearch(fixed)
    folds = _keep_enough(make_folds(rows.find_keys(split), rows.y, split, parameters.task, parameters.seed))

    def score_fold(chosen: Mapping[str, Any], fold: int) -> float:
        train, held_out = folds[fold]
        model = fit_rows(lambda *data: fit({**fixed, **chosen}, *data), rows.X, rows.y, train, rows.weights)
        return _score(model, rows, held_out, parameters)

    defaults = {argument.name: argument.default for argument in arguments}
    budget = Budget(parameters.search_minutes * 60, parameters.max_trials)
    result = search(score_fold, len(folds), space, defaults, parameters.metric, budget, parameters.seed)
    return HyperparameterSearch(fixed | result.best.hyperparameters, result, budget.elapsed_seconds)


def _score(model: Any, rows: ModelRows, held_out: np.ndarray, parameters: Parameters) -> float:
    """Return the primary metric of a model on the rows of a fold; NaN if it is undefined on them."""
    predictions = metrics.predict(model, rows.X.iloc[held_out], parameters.task, parameters.positive_class)
    predictions = replace(predictions, weights=None if rows.weights is None else rows.weights[held_out])
    try:
        return parameters.metric.score(rows.y.iloc[held_out], predictions)
    except DataError:  # e.g. all rows of the fold have one class
        return math.nan


def _keep_enough(folds: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the first folds whose rows suffice to compare models."""
    sizes = np.cumsum([len(held_out) for _, held_out in folds])
    return folds[: int(np.searchsorted(sizes, _ENOUGH_ROWS)) + 1]


def _make_table(result: SearchResult, metric: metrics.Metric) -> charts.Table:
    """Return a row for each trial, the best first."""
    by_name = {trial.name: trial for trial in result.trials}
    ranked = [by_name[name] for name in metric.rank({trial.name: trial.score for trial in result.trials})]
    ranked.sort(key=lambda trial: trial is not result.best)
    rows = {
        trial.name: {
            metric.name: trial.score,
            "spread": trial.spread,
            "seconds": trial.fit_seconds,
            **trial.hyperparameters,
            "outcome": trial.outcome,
        }
        for trial in ranked
    }
    table = charts.Table(pd.DataFrame.from_dict(rows, orient="index")).rename_axis("trial")
    table.attrs[charts.MARKED] = [metric.name]
    return table
