"""The monitor stage: compares the rows of answered requests with the test rows of the version in production."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib import charts
from lib.errors import DataError
from lib.metrics import Predictions
from lib.monitoring.history import History
from lib.monitoring.reference import ERROR, PREDICTION
from lib.monitoring.verdict import Judgement, judge
from lib.monitoring.windows import Window, count_window, interleave, join_small_windows
from lib.stages import _monitor_display as display
from lib.stages import _rows_to_look_at as unusual
from lib.stages._monitor_obstacles import list_obstacles
from lib.stages._monitored_rows import iterate_log, read_rows
from lib.stages._monitored_scores import WindowScorer, read_labels
from lib.stages._monitored_seasons import RowDates
from lib.stages._results import Figures, StageResult, make_title
from lib.stages._served_model import ServedModel

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The use case's parameters that this stage reads in addition to the common ones.
PARAMETERS = (
    "target_column",
    "task",
    "positive_class",
    "seed",
    "encoding",
    "primary_metric",
    "metrics",
    "monitor_window_days",
    "alarm_rate",
    "labels",
    "time_column",
    "request_log_columns",
)


@dataclass(frozen=True, repr=False)
class Monitored(StageResult):
    """The stage's result, displayed in its notebook.

    Attributes
    ----------
    title, verdict : str
    state : str
        One of `lib.monitoring.verdict.VERDICTS`.
    version : str
        The version that was judged.
    columns : Table
        Evidence, beginning and size of a drift by column, the strongest evidence first.
    evidence : Chart or str
        The evidence after each window; a sentence if there are fewer than two windows.
    scores : Table
        The primary metric by window: promised, estimated and realised.
    score_chart : Chart or str
    rows_to_look_at : Table or str
        The most unusual rows of the newest window in the drifted columns.
    summary : dict
        What a program needs to know about the verdict: plain JSON, described in docs/monitoring.md.
    history : str
        URI of the references and of the windows that have ended, for the next look.
    notes : tuple of str
    """

    title: str
    verdict: str
    state: str
    version: str
    columns: charts.Table
    evidence: charts.Chart | str
    scores: charts.Table
    score_chart: charts.Chart | str
    rows_to_look_at: charts.Table | str
    summary: dict
    history: str
    notes: tuple[str, ...] = ()

    def main_table(self) -> charts.Table:
        """Return the evidence by column."""
        return self.columns

    @property
    def figures(self) -> Figures:
        """The evidence and the primary metric over time, and the rows to look at."""
        return Figures(
            (
                self.evidence,
                "The evidence of a drift after each window. Without a drift, the probability that the blue line ever "
                "reaches the dotted line is at most the alarm rate, however often one looks.",
            ),
            (
                self.rows_to_look_at,
                "The rows of the newest window whose values in the drifted columns have become most frequent.",
            ),
            (self.score_chart, "The primary metric: realised where labels have come, and estimated without labels."),
            (self.scores, "The primary metric by window, with 95 % intervals."),
        )


def run(backend: Backend, parameters: Parameters) -> Monitored:
    """Compare the rows that the version in production predicted with its test rows.

    Parameters
    ----------
    backend : Backend
    parameters : Parameters
        ``rows`` is a table to judge instead of the request log; ``history`` is the URI of what earlier looks counted.

    Returns
    -------
    Monitored

    Raises
    ------
    DataError
        If no version is in production, there is no request log, ``rows`` has none of the model's columns, or the labels
        cannot be used.
    """
    import mlflow

    version = backend.models(parameters.name).production()
    if version is None:
        raise DataError(f"No version of {parameters.name} has the tag production. Run the chain first.")
    served = ServedModel(backend, version, parameters)
    scorer = WindowScorer(served, parameters, read_labels(backend, parameters))
    histories = _read_histories(backend, parameters)
    dates = RowDates(served, parameters)
    history = histories.get(served.key) or History(served.make_references(dates.of_test_rows()))
    if parameters.rows:  # a table is judged by itself
        judged = History(history.references)
        newest_rows = read_rows(backend, served, history, parameters)
        _add_table(newest_rows, served, judged, scorer, dates)
    else:
        judged = history
        _add_log(backend, served, history, scorer, parameters, dates)
        newest_rows = unusual.read_newest_rows(backend, served, history, parameters)
    windows = interleave(join_small_windows(judged.windows), judged.label_batches)
    judgement = judge(history.references, windows, parameters.alarm_rate, served.key)
    judgement = display.without_private_values(judgement, parameters.private_columns)
    histories[served.key] = history
    obstacles = list_obstacles(judged, scorer, parameters)
    judgement = display.without_false_calm(judgement, obstacles)
    _log_metrics(judgement, judged)
    mlflow.set_tags({"verdict": judgement.verdict, "version": version.version})
    rows_to_look_at = unusual.find_rows(newest_rows, served, judged, judgement, parameters)
    seasons = dates.describe(history.references, parameters.rows == "" or dates.column in newest_rows.columns)
    verdict = display.describe(judgement, version.version, judged.windows, obstacles)
    stored = {key: entry.to_dict() for key, entry in histories.items()}
    return Monitored(
        title=make_title("Monitor", parameters),
        verdict=verdict,
        state=judgement.verdict,
        version=version.version,
        columns=display.make_table(judgement),
        evidence=display.draw_evidence(judgement),
        scores=display.make_score_table(judged.scores, scorer.promised, scorer.metric),
        score_chart=display.draw_scores(judged.scores, scorer.promised, scorer.metric),
        rows_to_look_at=unusual.make_table(rows_to_look_at),
        summary={
            **display.summarize(judgement, judged, scorer.promised, scorer.metric),
            "rows_to_look_at": unusual.to_json(rows_to_look_at),
        },
        history=backend.write_json(stored, f"{parameters.name}/monitoring/history.json"),
        notes=tuple(display.list_caveats(judged, judgement, scorer, obstacles, seasons)),
    )


def _read_histories(backend: Backend, parameters: Parameters) -> dict[str, History]:
    """Return the history of each version that earlier looks judged, by the key of the served model."""
    if not parameters.history:
        return {}
    try:
        stored = backend.read_json(parameters.history)
    except FileNotFoundError:
        return {}
    return {key: History.from_dict(values) for key, values in stored.items()}


def _add_table(
    rows: pd.DataFrame, served: ServedModel, history: History, scorer: WindowScorer, dates: RowDates
) -> None:
    """Add a window with the rows of a table, and with the model's predictions if the rows have its columns."""
    now = datetime.datetime.now(datetime.UTC)
    has_columns = {*served.columns} <= {*rows.columns} and len(rows) > 0
    predictions = served.predict(rows[served.columns]) if has_columns else None
    _add_window(history, now, now, rows, predictions, served, dates)
    _add_score(history, history.windows[-1], rows, predictions, scorer)


def _add_log(
    backend: Backend,
    served: ServedModel,
    history: History,
    scorer: WindowScorer,
    parameters: Parameters,
    dates: RowDates,
) -> None:
    """Add the windows that have ended since the previous look, and the labels that have arrived since."""
    now = datetime.datetime.now(datetime.UTC)
    known = {window.start: window for window in history.windows}
    for start, end, rows in iterate_log(backend, served, history, parameters, now):
        predictions = served.read_predictions(rows) if len(rows) else None
        if start not in known:
            if rows.empty and not history.windows:
                continue  # another version answered before the first window with rows
            _add_window(history, start, end, rows, predictions, served, dates)
        window = known.get(start) or history.windows[-1]
        if len(rows):
            _add_score(history, window, rows, predictions, scorer)


def _add_window(
    history: History,
    start: datetime.datetime,
    end: datetime.datetime,
    rows: pd.DataFrame,
    predictions: Predictions | None,
    served: ServedModel,
    dates: RowDates,
) -> None:
    """Count the rows of a span of time."""
    columns = rows.drop(columns=[PREDICTION, ERROR], errors="ignore")
    if predictions is not None:
        columns = columns.assign(**{PREDICTION: served.read_outputs(predictions)})
    history.windows.append(count_window(columns, history.references, start, end, dates.of_rows(rows)))


def _add_score(
    history: History, window: Window, rows: pd.DataFrame, predictions: Predictions | None, scorer: WindowScorer
) -> None:
    """Measure the primary metric in a window, and count the errors of the rows with labels."""
    labels = scorer.find_labels(rows)
    earlier = next((score for score in history.scores if score.start == window.start), None)
    score = scorer.score(window.start, window.end, rows, predictions, labels, earlier)
    others = [other for other in history.scores if other.start != window.start]
    history.scores = sorted([*others, score], key=lambda score: score.start)
    if ERROR in history.references:
        counts = scorer.count_errors(predictions, labels, history.references[ERROR])
        history.add_errors(window, counts, history.windows[-1])


def _log_metrics(judgement: Judgement, history: History) -> None:
    """Log the evidence and the scores to MLflow: a step for each window, at the time at which the window ended."""
    import mlflow

    client, run = mlflow.MlflowClient(), mlflow.active_run()
    for step, (value, window) in enumerate(zip(judgement.log_evidence, judgement.windows, strict=True)):
        client.log_metric(run.info.run_id, "log10_evidence", value / np.log(10), _milliseconds(window.end), step)
    for step, score in enumerate(history.scores):
        for name, interval in (("realised", score.realised), ("estimated", score.estimate)):
            for part in ("value", "low", "high") if interval is not None else ():
                key = f"{name}_score" if part == "value" else f"{name}_score_{part}"
                client.log_metric(run.info.run_id, key, getattr(interval, part), _milliseconds(score.end), step)


def _milliseconds(time: datetime.datetime) -> int:
    return int(time.timestamp() * 1000)
