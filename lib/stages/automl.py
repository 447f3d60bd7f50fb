"""AutoML: a search over many models, and the best of them as a candidate like any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from lib import charts, metrics
from lib.automl import LEADERBOARD
from lib.data import tables
from lib.stages._answers import Answer, Figures, title
from lib.stages.train import EXAMPLE_ROWS, IMPORTANCE_CAPTION, describe_score, draw_charts

if TYPE_CHECKING:
    from lib.automl import SearchResult
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The parameters of the use case that this stage reads, beside the common ones: a change of these makes it run anew.
PARAMETERS = (
    "target_column",
    "task",
    "month_first",
    "positive_class",
    "primary_metric",
    "automl_engine",
    "automl_budget_minutes",
    "automl_memory_gb",
    "max_trials",
    "allowed_models",
    "blocked_models",
    "n_cross_validations",
    "validation_fraction",
    "ensemble",
    "max_latency_ms",
    "threads",
    "seed",
)

_NOT_SHUFFLED = "Not measured: this model is asked by a job each time, and every shuffled column would be one."
_PROGRESS_CAPTION = (
    "The score of each model when it was done, and the best so far. If the line still rises at the end, a larger "
    "automl_budget_minutes may find a better model."
)
_LOGGED = (
    "train_data",
    "test_data",
    "target_column",
    "task",
    "primary_metric",
    "seed",
    "positive_class",
    "threads",
    "automl_engine",
    "automl_budget_minutes",
    "max_trials",
    "allowed_models",
    "blocked_models",
    "n_cross_validations",
    "validation_fraction",
    "ensemble",
    "max_latency_ms",
)


@dataclass(frozen=True, repr=False)
class Winner(Answer):
    """Output of the stage, and what its notebook shows.

    Attributes
    ----------
    title, verdict : str
    run_id : str
        MLflow run with the best model; a child run stands below it for each model that was tried.
    leaderboard : Table
        Every model that was tried, the best first: score on validation rows and on test rows, seconds, milliseconds
        a row, megabytes, weight in the best, and the reason where it failed.
    progress : Chart
        Score of each model by when it was done.
    scores : Table
        Every metric of the best, on test rows and on training rows.
    importance : Chart or str
        Permutation importance on test rows; where the model came as files, why there is none.
    """

    title: str
    verdict: str
    run_id: str
    leaderboard: charts.Table
    progress: charts.Chart
    scores: charts.Table
    importance: charts.Chart | str

    def main_table(self) -> charts.Table:
        """Return the scores of the best model."""
        return self.scores

    @property
    def figures(self) -> Figures:
        """Progress of the search, and importance of the columns for the best model."""
        caption = IMPORTANCE_CAPTION if isinstance(self.importance, charts.Chart) else ""
        return Figures((self.progress, _PROGRESS_CAPTION), (self.importance, caption))


def run(backend: Backend, parameters: Parameters, run_id: str) -> Winner:
    """Search, score the best on the test rows, log everything that was tried.

    Parameters
    ----------
    backend, parameters
        Of this run.
    run_id : str
        The active MLflow run.

    Returns
    -------
    Winner
    """
    import mlflow

    task, target = parameters.task, parameters.target_column
    metric = parameters.metric
    found = backend.search().run(parameters.train_data, parameters.test_data, report=print)
    if found.warning:
        print(f"Warning: {found.warning}")
    train, test = backend.read_table(parameters.train_data), backend.read_table(parameters.test_data)
    y, y_test = (tables.get_column(rows, target, where="the preprocessed rows") for rows in (train, test))
    X, X_test = train.drop(columns=target), test.drop(columns=target)

    is_here = found.folder is None
    model = found.model if is_here else backend.tracking.load_model(found.folder)
    on_test = metrics.predict(model, X_test, task, parameters.positive_class)
    scores = charts.Table([(one.name, one.score(y_test, on_test)) for one in metrics.for_task(task)])
    scores.columns = ["metric", "test rows"]
    scores = scores.set_index("metric")
    if is_here:
        on_train = metrics.predict(model, X, task, parameters.positive_class)
        scores["training rows"] = [one.score(y, on_train) for one in metrics.for_task(task)]
    else:  # its own search scores no test rows
        found.leaderboard.loc[found.best, f"test {metric.name}"] = float(scores.loc[metric.name, "test rows"])
    scores["direction"] = [one.direction for one in metrics.for_task(task)]
    pictures = draw_charts(model, X_test, y_test, on_test, metric, parameters, with_importance=is_here)
    pictures["progress"] = charts.search_progress(found.leaderboard, metric)

    given = {name: parameters[name] for name in _LOGGED}
    mlflow.log_params({"training_function": "automl", "model": found.best, **given})
    mlflow.set_tags({"warning": found.warning} if found.warning else {})
    finite = {one: float(value) for one, value in scores["test rows"].items() if value == value}
    if is_here:
        finite |= {f"train_{one}": float(value) for one, value in scores["training rows"].items() if value == value}
    counts = {"search_seconds": found.seconds, "trials": len(found.leaderboard)}
    mlflow.log_metrics({**finite, **counts, "train_rows": len(train), "test_rows": len(test)})
    _log_trials(backend, found, run_id)
    backend.tracking.log_table(found.leaderboard, "leaderboard")
    backend.tracking.log_table(scores, "scores")
    for name, picture in pictures.items():
        backend.tracking.log_chart(picture, name)
    baseline = backend.read_json(parameters.baseline)
    if is_here:
        features = pd.concat([X, X_test], ignore_index=True)
        backend.tracking.log_model(model, X_test.head(EXAMPLE_ROWS), features, baseline)
    else:
        backend.tracking.log_model_folder(found.folder, baseline)
    board = charts.Table(found.leaderboard[[*LEADERBOARD[:2], f"test {metric.name}", *LEADERBOARD[2:]]])
    scores.attrs[charts.MARKED] = [metric.name]
    board.attrs[charts.MARKED] = [f"test {metric.name}"]
    return Winner(
        title=title("AutoML", parameters),
        verdict=f"{found.best} is the best of {len(found.leaderboard)} models: {describe_score(scores, metric)}",
        run_id=run_id,
        leaderboard=board,
        progress=pictures["progress"],
        scores=scores,
        importance=pictures.get("importance", _NOT_SHUFFLED),
    )


def _log_trials(backend: Backend, found: SearchResult, run_id: str) -> None:
    """A child run for each model that was tried."""
    for name, row in found.leaderboard.iterrows():
        numbers = {
            key.replace("validation ", "validation_").replace("test ", ""): float(value)
            for key, value in row.items()
            if isinstance(value, float) and value == value
        }
        settings = {"training_function": f"automl {name}", "family": row["family"], **found.settings.get(name, {})}
        backend.tracking.log_child_run(run_id, name, settings, numbers, row["outcome"])
