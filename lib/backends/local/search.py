"""An AutoML search on this machine, and its trials as a leaderboard."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil

from lib import automl, cores, metrics
from lib.automl import LEADERBOARD, EngineResult, SearchRequest, SearchResult, Trial
from lib.errors import ParameterError
from lib.evaluation.row_division import RowDivision
from lib.tables import frames, sources

if TYPE_CHECKING:
    from lib.metrics import Metric
    from lib.parameters import Parameters
    from lib.schema.table_schema import TableSchema
    from lib.scoring.feature_step import FeatureStep

# Default limit of a search's memory, as a share of the free memory.
_MEMORY_SHARE = 0.7


class LocalSearch:
    """A search by the engine in the parameter ``automl_engine``.

    Parameters
    ----------
    parameters : Parameters
        Parameters of the use case.

    Raises
    ------
    ParameterError
        If a search with these parameters is impossible.
    """

    def __init__(self, parameters: Parameters):
        if faults := automl.faults(parameters):
            raise ParameterError(faults)
        self._parameters = parameters

    def run(
        self,
        train_data: str,
        test_data: str,
        report: Callable[[str], None],
        schema: TableSchema | None = None,
        step: FeatureStep | None = None,
        division: RowDivision | None = None,
    ) -> SearchResult:
        """Search for models, and score them on the validation and test rows.

        Parameters
        ----------
        train_data, test_data : str
            URIs of the rows. The target of the test rows is used only after the search, to score the models.
        report : callable
            Called with a line for each finished model.
        schema : TableSchema, optional
            How each column is read.
        step : FeatureStep, optional
            The customer's features, fitted on the training rows; the first step of the best model.
        division : RowDivision, optional
            Groups or times of the training rows, which folds must respect.
        """
        from lib.training._custom_features import add_step, select_schema, transform_training_rows

        target = self._parameters.target_column
        train, test = sources.read(train_data), sources.read(test_data)
        y, y_test = (frames.get_column(rows, target, where="the preprocessed rows") for rows in (train, test))
        X, X_test = train.drop(columns=target), test.drop(columns=target)
        if step is not None:
            raw = X
            X, X_test = transform_training_rows(step, raw, y, self._parameters.seed), step.transform(X_test)
            schema = select_schema(schema, raw, X)
        request = self._request(schema, division or RowDivision())
        if request.metric.is_custom:
            request = dataclasses.replace(request, rows=train.drop(columns=target))
        started = time.monotonic()
        result = automl.get(self._parameters.automl_engine)(X, y, X_test, request, report)
        seconds = time.monotonic() - started
        return SearchResult(
            make_leaderboard(result, y, y_test, request, self._parameters.own_metrics, (train, test)),
            result.best,
            seconds,
            model=result.model if step is None else add_step(result.model, step),
            hyperparameters={trial.name: trial.hyperparameters for trial in result.trials},
            warning=result.warning,
            validation=next(trial.validation for trial in result.trials if trial.name == result.best),
        )

    def _request(self, schema: TableSchema | None, division: RowDivision) -> SearchRequest:
        """Translate the parameters into the request that every engine takes."""
        parameters = self._parameters
        default_memory_bytes = psutil.virtual_memory().available * _MEMORY_SHARE
        return SearchRequest(
            task=parameters.task,
            metric=parameters.metric,
            positive_class=parameters.positive_class,
            seed=parameters.seed,
            threads=parameters.threads or cores.available(),
            budget_seconds=parameters.automl_budget_minutes * 60,
            max_trials=parameters.max_trials,
            families=automl.allowed_families(parameters),
            folds=parameters.n_cross_validations,
            validation_fraction=parameters.validation_fraction,
            ensemble=parameters.ensemble,
            max_latency_ms=parameters.max_latency_ms,
            memory_bytes=int(parameters.automl_memory_gb * 2**30 or default_memory_bytes),
            month_first=parameters.month_first,
            schema=schema,
            groups=division.groups,
            in_time_order=division.in_time_order,
            presets=parameters.automl_presets,
        )


def make_leaderboard(
    result: EngineResult,
    y: pd.Series,
    y_test: pd.Series,
    request: SearchRequest,
    own: Sequence[Metric] = (),
    tables: tuple[pd.DataFrame | None, pd.DataFrame | None] = (None, None),
) -> pd.DataFrame:
    """Return a table of a search's models, indexed by name, best first.

    The columns are `LEADERBOARD`, then each metric on the validation rows and on the test rows.

    Parameters
    ----------
    result : EngineResult
    y, y_test : Series
        True values of the training rows, which contain the validation rows, and of the test rows.
    request : SearchRequest
    own : sequence of Metric
        Metrics of the customer's own that the use case names.
    tables : tuple of DataFrame
        The raw training and test rows, for the customer's own metrics.
    """
    scored_metrics = [request.metric]
    scored_metrics += [metric for metric in metrics.for_task(request.task, own) if metric.name != request.metric.name]
    trials = [_with_rows(trial, *tables) for trial in result.trials] if own else result.trials
    rows = {trial.name: _leaderboard_row(trial, y, y_test, scored_metrics) for trial in trials}
    ranked = request.metric.rank({name: row["score"] for name, row in rows.items()})
    columns = [
        *LEADERBOARD,
        *(f"{rows_name} {metric.name}" for metric in scored_metrics for rows_name in ("validation", "test")),
    ]
    return pd.DataFrame([rows[name] for name in ranked], index=pd.Index(ranked, name="model"), columns=columns)


def _with_rows(trial: Trial, train: pd.DataFrame | None, test: pd.DataFrame | None) -> Trial:
    """Return a copy of a trial whose predictions have their raw rows."""
    validation = trial.validation
    if validation is not None and train is not None:
        positions, predictions = validation
        validation = positions, dataclasses.replace(predictions, rows=train.iloc[positions])
    on_test = None if trial.test is None else dataclasses.replace(trial.test, rows=test)
    return dataclasses.replace(trial, validation=validation, test=on_test)


def _leaderboard_row(trial: Trial, y: pd.Series, y_test: pd.Series, scored_metrics: list[Metric]) -> dict[str, Any]:
    """Return the leaderboard row of a model: `LEADERBOARD`, and each metric on validation and test rows.

    Metrics are omitted if the model has no predictions for the rows. A score that the engine does not report is
    computed from the predictions for the validation rows.
    """
    row = {name: getattr(trial, name) for name in LEADERBOARD}
    for metric in scored_metrics:
        if trial.validation is not None:
            positions, predictions = trial.validation
            row[f"validation {metric.name}"] = metric.score(y.iloc[positions], predictions)
        if trial.test is not None:
            row[f"test {metric.name}"] = metric.score(y_test, trial.test)
    if math.isnan(row["score"]):
        row["score"] = row.get(f"validation {scored_metrics[0].name}", float("nan"))
    return row
