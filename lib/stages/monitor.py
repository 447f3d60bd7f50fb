"""The monitor stage: compares the rows that the endpoint answered with the test rows of the version in production."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import charts, metrics
from lib.errors import DataError, GateError, format_count
from lib.monitoring import verdict as verdicts
from lib.monitoring.reference import PREDICTION, ColumnReference, ModelOutput, make_references
from lib.monitoring.request_rows import iterate_spans, list_days
from lib.monitoring.verdict import Judgement, judge
from lib.monitoring.windows import MIN_ROWS, Window, count_window, join_small_windows, list_spans
from lib.scoring.model_folder import BASELINE_FILE
from lib.stages._results import Figures, StageResult, make_title

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.backends.models import ModelVersion
    from lib.parameters import Parameters

# The use case's parameters that this stage reads in addition to the common ones.
PARAMETERS = (
    "target_column",
    "task",
    "positive_class",
    "seed",
    "encoding",
    "monitor_window_days",
    "alarm_rate",
)
_MAX_LISTED = 5
_MIDNIGHT = datetime.time(tzinfo=datetime.UTC)


@dataclass(frozen=True, repr=False)
class Monitored(StageResult):
    """The stage's result, displayed in its notebook.

    Attributes
    ----------
    title, verdict : str
    state : str
        One of `lib.monitoring.verdict.VERDICTS`.
    columns : Table
        Evidence, beginning and size of a drift by column, the strongest evidence first.
    evidence : Chart or str
        The evidence after each window; a sentence if no window has ended.
    history : str
        URI of the reference and of the windows that have ended, for the next look.
    notes : tuple of str
    """

    title: str
    verdict: str
    state: str
    columns: charts.Table
    evidence: charts.Chart | str
    history: str
    notes: tuple[str, ...] = ()

    def main_table(self) -> charts.Table:
        """Return the evidence by column."""
        return self.columns

    @property
    def figures(self) -> Figures:
        """The evidence over time."""
        caption = (
            "The evidence of a drift after each window. Without a drift, the probability that the line of all columns "
            "ever reaches the dotted line is at most the alarm rate, however often one looks."
        )
        return Figures((self.evidence, caption))


def run(backend: Backend, parameters: Parameters) -> Monitored:
    """Compare the rows that the version in production answered with its test rows.

    Parameters
    ----------
    backend : Backend
    parameters : Parameters
        ``rows`` is a table to judge instead of the request log; ``history`` is the URI of the previous look's history.

    Returns
    -------
    Monitored

    Raises
    ------
    GateError
        If no version is in production.
    DataError
        If there is no request log, or ``rows`` has none of the model's columns.
    """
    import mlflow

    version = backend.models(parameters.name).production()
    if version is None:
        raise GateError(f"No version of {parameters.name} has the tag production. Run the chain first.")
    history = _read_history(backend, version, parameters)
    references = history.references or _make_references(backend, version, parameters)
    notes: list[str] = []
    if parameters.rows:
        windows = [_count_table(backend, version, references, parameters)]
        history_windows = history.windows
    else:
        windows = history_windows = history.windows + _count_new_windows(
            backend, version, references, history.windows, parameters, notes
        )
    missing = [name for name in references if windows and name not in windows[-1].counts]
    if missing:
        notes.append(f"Not monitored, because the rows do not contain them: {_list(missing)}.")
    notes += _describe_assumptions(references, windows)
    judgement = judge(references, join_small_windows(windows), parameters.alarm_rate, f"{version.sha256}")
    stored = _History(version.sha256, references, history_windows)
    uri = backend.write_json(stored.to_dict(), f"{parameters.name}/monitoring/version-{version.version}.json")
    for step, value in enumerate(judgement.log_evidence):
        mlflow.log_metric("log10_evidence", value / np.log(10), step=step)
    mlflow.set_tags({"verdict": judgement.verdict, "version": version.version})
    return Monitored(
        title=make_title("Monitor", parameters),
        verdict=describe(judgement, version.version, windows),
        state=judgement.verdict,
        columns=_make_table(judgement),
        evidence=_draw(judgement),
        history=uri,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _History:
    """The reference of a version, and the windows that have ended."""

    sha256: str
    references: dict[str, ColumnReference]
    windows: list[Window]

    def to_dict(self) -> dict[str, Any]:
        """Return the history as JSON types."""
        return {
            "sha256": self.sha256,
            "references": {name: reference.to_dict() for name, reference in self.references.items()},
            "windows": [window.to_dict() for window in self.windows],
        }


def _read_history(backend: Backend, version: ModelVersion, parameters: Parameters) -> _History:
    """Return the history of the version's earlier looks; an empty one if there is none, or of another version."""
    empty = _History(version.sha256, {}, [])
    if not parameters.history:
        return empty
    try:
        stored = backend.read_json(parameters.history)
    except FileNotFoundError:
        return empty
    if stored["sha256"] != version.sha256:
        return empty
    references = {name: ColumnReference.from_dict(values) for name, values in stored["references"].items()}
    return _History(version.sha256, references, [Window.from_dict(values) for values in stored["windows"]])


def _make_references(backend: Backend, version: ModelVersion, parameters: Parameters) -> dict[str, ColumnReference]:
    """Return the reference of each column, from the version's baseline and its test rows."""
    folder = backend.tracking.model_folder(version.source, version.sha256)
    baseline = json.loads((folder / BASELINE_FILE).read_text(encoding="utf-8"))
    rows = backend.read_table(version.tags["test_data"])
    rows = rows.drop(columns=parameters.target_column, errors="ignore")
    return make_references(baseline["columns"], rows, _make_predict(backend, version, parameters), parameters.seed)


def _make_predict(
    backend: Backend, version: ModelVersion, parameters: Parameters
) -> Callable[[pd.DataFrame], ModelOutput]:
    """Return a function that predicts with a model version."""
    model = backend.tracking.load_model(backend.tracking.model_folder(version.source, version.sha256))

    def predict(rows: pd.DataFrame) -> ModelOutput:
        predictions = metrics.predict(model, rows, parameters.task, parameters.positive_class)
        if parameters.task == "regression":
            numbers = predictions.labels.astype(float)
            return ModelOutput(numbers, numbers)
        is_binary = parameters.task == "binary"
        values = predictions.positive_probability if is_binary else predictions.labels.astype(str)
        return ModelOutput(values, predictions.class_probabilities)

    return predict


def _count_table(
    backend: Backend, version: ModelVersion, references: dict[str, ColumnReference], parameters: Parameters
) -> Window:
    """Return a window with the rows of a table, and with the model's predictions if the rows have its columns."""
    rows = backend.read_table(parameters.rows, encoding=parameters.encoding or "")
    present = [name for name in references if name in rows.columns]
    if not present:
        raise DataError(
            f"{parameters.rows} has none of the columns of the model, {_list(list(references))}. Give rows as the "
            "endpoint gets them."
        )
    if {*references} - {PREDICTION} <= {*present}:
        rows = rows.assign(**{PREDICTION: _make_predict(backend, version, parameters)(rows).values})
    now = datetime.datetime.now(datetime.UTC)
    return count_window(rows, references, now, now)


def _count_new_windows(
    backend: Backend,
    version: ModelVersion,
    references: dict[str, ColumnReference],
    earlier: list[Window],
    parameters: Parameters,
    notes: list[str],
) -> list[Window]:
    """Return the windows that have ended since the previous look."""
    folder = _find_request_log(backend, parameters)
    days = list_days(folder)
    if not days:
        return []
    now = datetime.datetime.now(datetime.UTC)
    first = earlier[-1].end if earlier else datetime.datetime.combine(days[0], _MIDNIGHT)
    spans = list_spans(first, now, parameters.monitor_window_days)
    windows = []
    for (start, end), rows in zip(spans, iterate_spans(folder, version.version, spans), strict=True):
        if len(rows):
            rows = rows.assign(**{PREDICTION: _read_predictions(rows, parameters)})
        windows.append(count_window(rows, references, start, end))
        if not len(rows):
            notes.append(f"No requests from {start:%Y-%m-%d} to {end:%Y-%m-%d}.")
    return _skip_leading_empty(windows) if not earlier else windows


def _find_request_log(backend: Backend, parameters: Parameters) -> Path:
    """Return the folder of the request log."""
    folder = backend.request_log(parameters.name)
    if folder is None or not folder.is_dir():
        raise DataError(
            f"There is no request log of {parameters.name} yet. Deploy the model with request_log: true and send "
            "requests, or give the rows with --data."
        )
    return folder


def _read_predictions(rows: pd.DataFrame, parameters: Parameters) -> pd.Series:
    """Return the logged output of the model, as `_make_predict` predicts it."""
    if parameters.task != "binary":
        return rows["_prediction"]
    names = [name for name in rows.columns if name.startswith("_probability_")]
    classes = sorted(name.removeprefix("_probability_") for name in names)
    positive = str(parameters.positive_class) if parameters.positive_class else classes[1]
    return rows[f"_probability_{positive}"]


def _skip_leading_empty(windows: list[Window]) -> list[Window]:
    """Return the windows from the first one with rows on: before it, another version answered."""
    first = next((position for position, window in enumerate(windows) if window.rows), len(windows))
    return windows[first:]


def describe(judgement: Judgement, version: str, windows: list[Window]) -> str:
    """Return the verdict in one line."""
    rows = sum(window.rows for window in windows)
    counted = f"version {version}, {format_count(rows, 'row')} in {format_count(len(windows), 'window')}"
    if judgement.verdict == verdicts.TOO_FEW:
        return f"{judgement.verdict}: {counted}; at least one window with {MIN_ROWS} rows is needed."
    if judgement.verdict == verdicts.STABLE:
        return f"{judgement.verdict}: {counted}; no drift beyond chance."
    strongest = judgement.drifted or [judgement.columns[0].name]
    if len(windows) == 1:
        return f"{judgement.verdict}: {counted}; drift in {_list(strongest)}."
    since = min(column.start.start for column in judgement.columns if column.name in strongest)
    return f"{judgement.verdict}: {counted}; drift since {since:%Y-%m-%d} in {_list(strongest)}."


def _make_table(judgement: Judgement) -> charts.Table:
    """Return a row for each column, the strongest evidence first."""
    rows = [
        (
            column.name,
            f"{column.evidence:,.3g}",
            "yes" if column.name in judgement.drifted else "",
            "yes" if column.is_used else "no",
            column.change.kind,
            str(column.change),
            f"{column.start.start:%Y-%m-%d}",
        )
        for column in judgement.columns
    ]
    names = ["column", "evidence", "drifted", "used by the model", "what changed", "largest change", "since"]
    table = charts.Table(rows, columns=names).set_index("column")
    table.attrs[charts.MARKED] = judgement.drifted
    return table


def _draw(judgement: Judgement) -> charts.Chart | str:
    if len(judgement.log_evidence) < 2:
        return "Evidence over time is drawn once two windows have ended."
    lines = {"all columns": judgement.log_evidence}
    lines |= {column.name: column.log_evidence for column in judgement.columns[:_MAX_LISTED]}
    ends = [window.end for window in judgement.windows]
    return charts.evidence_over_time(ends, lines, judgement.threshold)


def _describe_assumptions(references: dict[str, ColumnReference], windows: list[Window]) -> list[str]:
    """Return what the verdict does not cover."""
    notes = [
        "Seasons are not modelled: the reference is all test rows together, so a usual difference between months or "
        "weekdays counts as a drift.",
        "Without labels, a change of the relation between the columns and the target cannot be seen.",
    ]
    unused = [name for name, reference in references.items() if not reference.is_used and name != PREDICTION]
    if unused:
        notes.insert(0, f"The model's output does not depend on {_list(unused)}; a drift there is at most a look.")
    return notes


def _list(names: list[str]) -> str:
    listed = ", ".join(names[:_MAX_LISTED])
    return listed if len(names) <= _MAX_LISTED else f"{listed} and {len(names) - _MAX_LISTED} more"
