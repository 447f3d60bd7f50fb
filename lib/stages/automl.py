"""The AutoML stage: searches over many models, and logs the best one as a candidate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import charts, metrics
from lib.automl import LEADERBOARD
from lib.errors import ParameterError
from lib.evaluation.folds import divide_rows
from lib.evaluation.out_of_fold import OutOfFold
from lib.metrics import Metric
from lib.scoring.feature_step import FeatureStep
from lib.scoring.model import EXPLANATION
from lib.stages import _features
from lib.stages._decision_rule import add_rule, rule_metrics
from lib.stages._explanation_data import describe_for_reasons
from lib.stages._facts import describe_candidate
from lib.stages._leaderboard import add_no_skill, make_no_skill_row
from lib.stages._model_charts import IMPORTANCE_CAPTION, draw_charts
from lib.stages._model_rows import ModelRows, get_feature_schema
from lib.stages._results import Figures, StageResult, make_title
from lib.stages._scores import describe_metrics, describe_score, make_score_table
from lib.stages._search_log import log_best_model, log_metrics, log_parameters, log_trials

if TYPE_CHECKING:
    from lib.automl import SearchResult
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# Use-case parameters that this stage reads, besides the common ones. Changing one of them reruns the stage.
PARAMETERS = (
    "target_column",
    "task",
    "month_first",
    "positive_class",
    "primary_metric",
    "metrics",
    "engine",
    "automl_engine",
    "automl_presets",
    "automl_budget_minutes",
    "automl_memory_gb",
    "max_trials",
    "allowed_models",
    "blocked_models",
    "n_cross_validations",
    "validation_fraction",
    "ensemble",
    "max_latency_ms",
    "threshold",
    "costs",
    "cost_column",
    "weight_column",
    "threads",
    "seed",
)

_IMPORTANCE_NOT_MEASURED = (
    "Not measured: each prediction of this model is a job, so permutation importance would need one job for each "
    "shuffled column."
)
_PROGRESS_CAPTION = (
    "The score of each model when it was fitted, and the best score so far. If the line still rises at the end, a "
    "larger automl_budget_minutes may find a better model."
)


@dataclass(frozen=True, repr=False)
class Winner(StageResult):
    """Output of the stage, and the tables and charts of its notebook.

    Attributes
    ----------
    title, verdict : str
    run_id : str
        MLflow run with the best model; it has a child run for each model that was tried.
    leaderboard : Table
        All models that were tried, the best first, with their scores on validation and test rows, seconds,
        milliseconds per row, megabytes, weight in the best model, and the reason of a failure.
    progress : Chart
        Score of each model over time.
    scores : Table
        All metrics of the best model on test rows and, if it can be loaded here, on training rows.
    importance : Chart or str
        Permutation importance on test rows, or the reason why it was not measured.
    notes : tuple of str
    facts : mapping
        Scores and size of the search.
    """

    title: str
    verdict: str
    run_id: str
    leaderboard: charts.Table
    progress: charts.Chart
    scores: charts.Table
    importance: charts.Chart | str
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def main_table(self) -> charts.Table:
        """Return the scores of the best model."""
        return self.scores

    @property
    def figures(self) -> Figures:
        """The progress of the search, and the importance of the columns for the best model."""
        caption = IMPORTANCE_CAPTION if isinstance(self.importance, charts.Chart) else ""
        return Figures((self.progress, _PROGRESS_CAPTION), (self.importance, caption))


def run(hooks: _features.FeatureHooks, backend: Backend, parameters: Parameters, run_id: str) -> Winner:
    """Search for the best model, score it on the test rows, and log all models that were tried.

    Parameters
    ----------
    hooks : FeatureHooks
        The pipeline.
    backend : Backend
    parameters : Parameters
    run_id : str
        The active MLflow run.

    Returns
    -------
    Winner

    Raises
    ------
    ParameterError
        If the primary metric is undefined for the target.
    """
    metric = parameters.metric
    baseline = backend.read_json(parameters.baseline)
    rows = ModelRows.read(backend.read_table, parameters, baseline)
    step = _fit_features(hooks, rows)
    result = _search(backend, rows, baseline, step, parameters)
    # A search on a cluster returns files instead of a model; each prediction of the loaded model is then a job.
    is_local = result.folder is None
    model = result.model if result.folder is None else backend.tracking.load_model(result.folder)
    rule = None
    if is_local:
        model, rule = add_rule(model, rows, lambda: _held_out_predictions(result, parameters), parameters)
        result = dataclasses.replace(result, model=model)
    predictions = metrics.predict(model, rows.X_test, parameters.task, parameters.positive_class)
    training = None
    if is_local:
        training = (rows.y, metrics.predict(model, rows.X, parameters.task, parameters.positive_class))
    scores = make_score_table(
        (rows.y_test, predictions), training, rows.y, metric, parameters.task, parameters.own_metrics
    )
    if not is_local:
        result.leaderboard.loc[result.best, f"test {metric.name}"] = float(scores.loc[metric.name, "test rows"])
    figures = draw_charts(model, rows, predictions, parameters, with_importance=is_local)
    no_skill = make_no_skill_row(rows, predictions, parameters)
    figures["progress"] = charts.search_progress(result.leaderboard, metric, no_skill["score"])

    log_parameters(result, parameters, step.name if step is not None else "")
    log_metrics(result, scores, rows, rule_metrics(rule))
    log_trials(backend, result, run_id)
    leaderboard = add_no_skill(result.leaderboard, no_skill, metric)
    backend.tracking.log_table(leaderboard, "leaderboard")
    backend.tracking.log_table(scores, "scores")
    for name, chart in figures.items():
        backend.tracking.log_chart(chart, name)
    if is_local:
        baseline[EXPLANATION] = describe_for_reasons(model, rows.X, parameters)
    log_best_model(backend, result, rows, baseline, parameters)

    leaderboard = _select_columns(leaderboard, metric)
    charts.label(scores, "Scores of the best model of the search")
    charts.label(figures["progress"], "Progress of the search", _PROGRESS_CAPTION)
    searched = {"search_seconds": result.seconds, "model_count": len(leaderboard), **rule_metrics(rule)}
    return Winner(
        title=make_title("AutoML", parameters),
        verdict=f"{result.best} is the best of {len(result.leaderboard)} models: {describe_score(scores, metric)}",
        notes=describe_metrics(rows.y_test, predictions, parameters.task),
        run_id=run_id,
        leaderboard=leaderboard,
        progress=figures["progress"],
        scores=scores,
        importance=figures.get("importance", _IMPORTANCE_NOT_MEASURED),
        facts={"model": result.best, **describe_candidate("automl", scores, metric, searched)},
    )


def _fit_features(hooks: _features.FeatureHooks, rows: ModelRows) -> FeatureStep | None:
    """Return the customer's features, fitted on the training rows; None if the pipeline has none."""
    step = _features.make_step(hooks)
    if step is None:
        return None
    fitted = _features.fit_step(step, rows.X, rows.y)
    _features.check_rows_are_independent(fitted, rows.X_test)
    return fitted


def _search(
    backend: Backend, rows: ModelRows, baseline: dict[str, Any], step: FeatureStep | None, parameters: Parameters
) -> SearchResult:
    """Search on folds that respect the split of the table, and print the warning of the engine, if there is one."""
    split = _find_split(rows, baseline)
    schema, division = get_feature_schema(baseline), divide_rows(rows.find_keys(split), split)
    with _features.explained():
        result = backend.search().run(parameters.train_data, parameters.test_data, print, schema, step, division)
    if result.warning:
        print(f"Warning: {result.warning}")
    return result


def _select_columns(leaderboard: pd.DataFrame, metric: Metric) -> charts.Table:
    """Return the leaderboard with the columns that the notebook shows, and the metric on the test rows marked."""
    test_score = f"test {metric.name}"
    table = charts.Table(leaderboard[[*LEADERBOARD[:2], test_score, *LEADERBOARD[2:]]])
    table.attrs[charts.MARKED] = [test_score]
    charts.label(table, "Models of the search")
    return table


def _find_split(rows: ModelRows, baseline: dict[str, Any]) -> dict[str, Any] | None:
    """Return the rule of a split by keys or by time, which the folds of the search must respect; None for others."""
    rule: dict[str, Any] | None = baseline.get("split")
    is_by_features = rule is not None and "cut" not in rule and {*rows.X.columns} <= {*rule["columns"]}
    return None if is_by_features else rule


def _held_out_predictions(result: SearchResult, parameters: Parameters) -> OutOfFold:
    """Return the best model's predictions for training rows on which it was not fitted.

    Raises
    ------
    ParameterError
        If the engine returned none.
    """
    if result.validation is None:
        raise ParameterError(
            f"threshold: {parameters.threshold} is chosen on rows that a model was not fitted on, and the engine "
            f"{parameters.automl_engine} returned no predictions for such rows. Set threshold to a number, or "
            "automl_engine to portfolio."
        )
    return OutOfFold(*result.validation)
