"""A search on this machine: an engine of `lib.automl`, and its trials as a leaderboard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import psutil

from lib import automl, cores, metrics
from lib.automl import LEADERBOARD, EngineResult, SearchRequest, SearchResult, Trial
from lib.data import sources, tables
from lib.errors import ParameterError

if TYPE_CHECKING:
    from lib.parameters import Parameters

# Of the memory that is free, where no bound is given.
_MEMORY_SHARE = 0.7


class LocalSearch:
    """A search by the engine that ``automl_engine`` names.

    Parameters
    ----------
    parameters : Parameters
        ``automl_budget_minutes`` and the others of that section, and what is to be learnt.

    Raises
    ------
    ParameterError
        Where they leave nothing to search.
    """

    def __init__(self, parameters: Parameters):
        if found := automl.faults(parameters):
            raise ParameterError(found)
        self._parameters = parameters

    def run(self, train_data: str, test_data: str, report: Callable[[str], None]) -> SearchResult:
        """Search, and score what was tried.

        Parameters
        ----------
        train_data, test_data : str
            URIs of the rows. The target of the test rows is only looked at when the search is over.
        report : callable
            Gets a line for each model that is done.
        """
        target = self._parameters.target_column
        train, test = sources.read(train_data), sources.read(test_data)
        y, y_test = (tables.get_column(rows, target, where="the preprocessed rows") for rows in (train, test))
        request = self._request()
        started = time.monotonic()
        result = automl.get(self._parameters.automl_engine)(
            train.drop(columns=target), y, test.drop(columns=target), request, report
        )
        seconds = time.monotonic() - started
        return SearchResult(
            leaderboard(result, y, y_test, request),
            result.best,
            seconds,
            model=result.model,
            settings={one.name: one.settings for one in result.trials},
            warning=result.warning,
        )

    def _request(self) -> SearchRequest:
        given = self._parameters
        free = psutil.virtual_memory().available * _MEMORY_SHARE
        return SearchRequest(
            task=given.task,
            metric=given.metric,
            positive_class=given.positive_class,
            seed=given.seed,
            threads=given.threads or cores.available(),
            budget_seconds=given.automl_budget_minutes * 60,
            max_trials=given.max_trials,
            families=automl.allowed_families(given),
            folds=given.n_cross_validations,
            validation_fraction=given.validation_fraction,
            ensemble=given.ensemble,
            max_latency_ms=given.max_latency_ms,
            memory_bytes=int(given.automl_memory_gb * 2**30 or free),
            month_first=given.month_first,
        )


def leaderboard(result: EngineResult, y: pd.Series, y_test: pd.Series, request: SearchRequest) -> pd.DataFrame:
    """Trials by name, the best first: columns `LEADERBOARD`, then each metric on validation and on test rows."""
    scored = [request.metric]
    scored += [one for one in metrics.for_task(request.task) if one.name != request.metric.name]
    rows = {trial.name: _row(trial, y, y_test, scored) for trial in result.trials}
    ranked = request.metric.rank({name: row["score"] for name, row in rows.items()})
    columns = [*LEADERBOARD, *(f"{kind} {one.name}" for one in scored for kind in ("validation", "test"))]
    return pd.DataFrame([rows[name] for name in ranked], index=pd.Index(ranked, name="model"), columns=columns)


def _row(trial: Trial, y: pd.Series, y_test: pd.Series, scored: list[metrics.Metric]) -> dict:
    row = {name: getattr(trial, name) for name in LEADERBOARD}
    for one in scored:
        if trial.validation is not None:
            places, predictions = trial.validation
            row[f"validation {one.name}"] = one.score(y.iloc[places], predictions)
        if trial.test is not None:
            row[f"test {one.name}"] = one.score(y_test, trial.test)
    if row["score"] != row["score"]:
        row["score"] = row.get(f"validation {scored[0].name}", float("nan"))
    return row
