"""Train: fit one training function and log the model as a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import charts, metrics
from lib.metrics import Predictions
from lib.scoring.model import EXPLANATION
from lib.stages import _coverage
from lib.stages._decision_worth import Display
from lib.stages._explanation_data import describe_for_reasons
from lib.stages._facts import describe_candidate
from lib.stages._logged_parameters import collect_logged_parameters
from lib.stages._model_charts import IMPORTANCE_CAPTION, QUALITY_CAPTIONS, draw_charts
from lib.stages._model_rows import ModelRows, make_examples
from lib.stages._results import Figures, StageResult, make_title
from lib.stages._scores import describe_metrics, describe_score, make_score_table, to_mlflow_metrics
from lib.stages._trained_model import TrainedModel, TrainHooks, train_model
from lib.tables import frames, sources

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The use case's parameters that this stage reads, besides the common ones. A changed value makes the stage run again.
PARAMETERS = (
    "target_column",
    "task",
    "month_first",
    "positive_class",
    "hyperparameters",
    "search_minutes",
    "max_trials",
    "class_weight",
    "weight_column",
    "primary_metric",
    "metrics",
    "cross_validation_folds",
    "calibration",
    "threshold",
    "costs",
    "cost_column",
    "coverage",
    "groups",
    "threads",
    "seed",
    "engine",
    "scheduler_address",
)
_SAMPLE_ROWS = 200_000  # read from a table in parts


@dataclass(frozen=True, repr=False)
class Candidate(StageResult):
    """The output of the stage, and the content of its notebook.

    Attributes
    ----------
    title, verdict : str
    run_id : str
        MLflow run with the model, its metrics, charts and parameters.
    scores : Table
        Every metric of the task on the test rows and on the training rows. For a small table, also the mean and the
        standard deviation over the folds of a cross-validation on the training rows.
    quality : Chart
        ROC and precision-recall curves, or residuals.
    importance : Chart
        Permutation importance on the test rows.
    task : str
        Selects the caption of ``quality``.
    notes : tuple of str
    facts : mapping
        Scores, threshold and calibration errors.
    displays : tuple of Display
        The search over hyperparameters and the calibration of probabilities, if there are any.
    """

    title: str
    verdict: str
    run_id: str
    scores: charts.Table
    quality: charts.Chart
    importance: charts.Chart
    task: str
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    displays: tuple[Display, ...] = ()

    def main_table(self) -> charts.Table:
        """Return the scores."""
        return self.scores

    @property
    def figures(self) -> Figures:
        """Quality, importance and, if there are some, the search and the calibration, with captions for the task."""
        return Figures(
            (self.quality, QUALITY_CAPTIONS[self.task]),
            (self.importance, IMPORTANCE_CAPTION),
            *((display.content, display.caption) for display in self.displays),
        )


def run(hooks: TrainHooks, backend: Backend, parameters: Parameters, run_id: str) -> Candidate:
    """Fit a model on the training rows, score it on the test rows, and log both.

    Parameters
    ----------
    hooks : TrainHooks
        The pipeline.
    backend : Backend
    parameters : Parameters
        The parameters of the stage, including its inputs.
    run_id : str
        The active MLflow run.

    Returns
    -------
    Candidate

    Raises
    ------
    ParameterError
        If the training function rejects a hyperparameter, or the primary metric is undefined for the target.
    DataError
        If the model cannot be trained on the columns of the table.
    """
    import mlflow

    baseline = backend.read_json(parameters.baseline)
    all_rows = _read_rows(backend, baseline, parameters)
    trained = train_model(hooks, all_rows, baseline, parameters)
    predictions = _predict_test_rows(trained, parameters)
    scores = _make_scores(trained, predictions, parameters)
    figures = draw_charts(trained.model, trained.rows, predictions, parameters)
    displays = trained.show(parameters)

    mlflow.log_params(collect_logged_parameters(trained.function, trained.search.hyperparameters, parameters))
    mlflow.log_params(trained.logged_features)
    mlflow.log_metrics({**to_mlflow_metrics(scores), **trained.measurements})
    trained.search.log(backend, run_id, parameters.training_function, parameters.metric)
    backend.tracking.log_table(scores, "scores")
    for name, chart in figures.items():
        backend.tracking.log_chart(chart, name)
    for display in displays:
        display.log(backend)
    _log_model(trained, all_rows, baseline, backend, parameters)
    charts.label(scores, f"Scores of {parameters.training_function}")
    return Candidate(
        title=make_title(f"Train {parameters.training_function}", parameters),
        verdict=describe_score(scores, parameters.metric),
        notes=(
            *describe_metrics(trained.rows.y_test, predictions, parameters.task),
            *trained.describe(parameters),
        ),
        run_id=run_id,
        scores=scores,
        quality=figures.get("curves") or figures["residuals"],
        importance=figures["importance"],
        task=parameters.task,
        facts=describe_candidate(parameters.training_function, scores, parameters.metric, trained.measurements),
        displays=displays,
    )


def _read_rows(backend: Backend, baseline: dict[str, Any], parameters: Parameters) -> ModelRows:
    """Read the training and test rows; with engine dask, a sample of each."""
    if parameters.engine == "dask":
        return ModelRows.read(_read_sample, parameters)
    return ModelRows.read(backend.read_table, parameters, baseline)


def _read_sample(uri: str) -> pd.DataFrame:
    """Read a random sample of a table in parts, equally many rows from each part."""
    paths = sources.list_files(uri)
    rows_per_part = -(-_SAMPLE_ROWS // len(paths))
    parts = []
    for number, path in enumerate(paths):
        rows = frames.read(path)
        parts.append(rows.sample(min(len(rows), rows_per_part), random_state=number))
    return pd.concat(parts, ignore_index=True)


def _predict_test_rows(trained: TrainedModel, parameters: Parameters) -> Predictions:
    """Return the predictions for the test rows, with the weights of these rows."""
    predictions = metrics.predict(trained.model, trained.rows.X_test, parameters.task, parameters.positive_class)
    return replace(predictions, weights=trained.rows.weights_test)


def _make_scores(trained: TrainedModel, predictions: Predictions, parameters: Parameters) -> charts.Table:
    """Return all metrics on the test and training rows and, for a small table, over the folds."""
    rows = trained.rows
    train_predictions = metrics.predict(trained.model, rows.X, parameters.task, parameters.positive_class)
    train_predictions = replace(train_predictions, weights=rows.weights)
    scores = make_score_table(
        (rows.y_test, predictions),
        (rows.y, train_predictions),
        rows.y,
        parameters.metric,
        parameters.task,
        parameters.own_metrics,
    )
    fold_scores = trained.score_folds(parameters)
    if fold_scores is not None:
        scores.insert(2, "folds", fold_scores.mean())
        scores.insert(3, "spread", fold_scores.std(ddof=1))
    return scores


def _log_model(
    trained: TrainedModel, all_rows: ModelRows, baseline: dict[str, Any], backend: Backend, parameters: Parameters
) -> None:
    """Log the model with example rows, and with a baseline to which its coverage and its explanation are added."""
    baseline = _coverage.add_to_baseline(baseline, trained.coverage)
    baseline[EXPLANATION] = describe_for_reasons(trained.model, trained.rows.X, parameters)
    examples = make_examples(trained.rows, baseline, parameters)
    backend.tracking.log_model(trained.model, examples, all_rows.all_features, baseline)
