"""The monitor stage: compares the rows of answered requests with the test rows of the version in production."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lib import charts
from lib.errors import DataError, format_count
from lib.monitoring.reference import PREDICTION, ColumnReference
from lib.monitoring.request_rows import iterate_spans, list_days
from lib.monitoring.verdict import STABLE, TOO_FEW, Judgement, judge
from lib.monitoring.windows import MIN_ROWS, Window, count_window, join_small_windows, list_spans
from lib.stages._results import Figures, StageResult, make_title
from lib.stages._served_model import History, ServedModel
from lib.tables.schema_source import SchemaSource

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
        The evidence after each window; a sentence if there are fewer than two windows.
    history : str
        URI of the references and of the windows that have ended, for the next look.
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
            "The evidence of a drift after each window. Without a drift, the probability that the blue line ever "
            "reaches the dotted line is at most the alarm rate, however often one looks."
        )
        return Figures((self.evidence, caption))


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
        If no version is in production, there is no request log, or ``rows`` has none of the model's columns.
    """
    import mlflow

    version = backend.models(parameters.name).production()
    if version is None:
        raise DataError(f"No version of {parameters.name} has the tag production. Run the chain first.")
    served = ServedModel(backend, version, parameters)
    histories = _read_histories(backend, parameters)
    history = histories.get(served.key) or History(served.make_references())
    if parameters.rows:
        windows = [_count_table(backend, served, history.references, parameters)]
    else:
        windows = history.windows = history.windows + _count_new_windows(backend, served, history, parameters)
    judgement = judge(history.references, join_small_windows(windows), parameters.alarm_rate, served.key)
    histories[served.key] = history
    stored = {key: entry.to_dict() for key, entry in histories.items()}
    for step, value in enumerate(judgement.log_evidence):
        mlflow.log_metric("log10_evidence", value / np.log(10), step=step)
    mlflow.set_tags({"verdict": judgement.verdict, "version": version.version})
    return Monitored(
        title=make_title("Monitor", parameters),
        verdict=describe(judgement, version.version, windows),
        state=judgement.verdict,
        columns=_make_table(judgement),
        evidence=_draw(judgement),
        history=backend.write_json(stored, f"{parameters.name}/monitoring/history.json"),
        notes=tuple(_list_caveats(history.references, judgement, windows)),
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


def _count_table(
    backend: Backend, served: ServedModel, references: dict[str, ColumnReference], parameters: Parameters
) -> Window:
    """Return a window with the rows of a table, and with the model's predictions if the rows have its columns."""
    source = SchemaSource(stored=served.lenient_schema) if served.lenient_schema else None
    rows = backend.read_table(parameters.rows, encoding=parameters.encoding or "", schema_source=source)
    present = [name for name in references if name in rows.columns]
    if not present:
        columns = [name for name in references if name != PREDICTION]
        raise DataError(
            f"{parameters.rows} has none of the columns of the model, {_join_names(columns)}. Give rows as the "
            "endpoint gets them."
        )
    rows = rows.drop(columns=PREDICTION, errors="ignore")
    if {*served.columns} <= {*rows.columns}:
        rows = rows.assign(**{PREDICTION: served.predict(rows[served.columns]).values})
    now = datetime.datetime.now(datetime.UTC)
    return count_window(rows, references, now, now)


def _count_new_windows(backend: Backend, served: ServedModel, history: History, parameters: Parameters) -> list[Window]:
    """Return the windows that have ended since the previous look."""
    folder = backend.request_log(parameters.name)
    if folder is None:
        raise DataError("The endpoint of this backend logs no requests. Give the rows with --data.")
    days = list_days(folder) if folder.is_dir() else []
    if not days and not history.windows:
        raise DataError(
            f"There is no request log of {parameters.name} yet. Deploy the model with request_log: true and send "
            "requests, or give the rows with --data."
        )
    if not days:
        return []
    now = datetime.datetime.now(datetime.UTC)
    first = history.windows[-1].end if history.windows else datetime.datetime.combine(days[0], _MIDNIGHT)
    spans = list_spans(first, now, parameters.monitor_window_days)
    windows = []
    for (start, end), rows in zip(spans, iterate_spans(folder, served.version, spans), strict=True):
        outputs = served.read_outputs(rows)
        if outputs is not None:
            rows = rows.assign(**{PREDICTION: outputs})
        windows.append(count_window(rows, history.references, start, end))
    return windows if history.windows else _skip_leading_empty(windows)


def _skip_leading_empty(windows: list[Window]) -> list[Window]:
    """Return the windows from the first one with rows on: before it, another version answered."""
    first = next((position for position, window in enumerate(windows) if window.rows), len(windows))
    return windows[first:]


def describe(judgement: Judgement, version: str, windows: list[Window]) -> str:
    """Return the verdict in one line."""
    rows = sum(window.rows for window in windows)
    counted = f"version {version}, {format_count(rows, 'row')} in {format_count(len(windows), 'window')}"
    if judgement.verdict == TOO_FEW:
        return f"{judgement.verdict}: {counted}; at least {MIN_ROWS} rows in windows that have ended are needed."
    if judgement.verdict == STABLE:
        return f"{judgement.verdict}: {counted}; no drift beyond chance."
    names = _join_names(judgement.drifted)
    if len(windows) == 1:
        return f"{judgement.verdict}: {counted}; drift in {names}."
    since = min(column.start.start for column in judgement.columns if column.name in judgement.drifted)
    alarm = f", found by {judgement.acted_in.end:%Y-%m-%d}" if judgement.acted_in else ""
    return f"{judgement.verdict}: {counted}; drift since {since:%Y-%m-%d}{alarm}, in {names}."


def _make_table(judgement: Judgement) -> charts.Table:
    """Return a row for each column, the strongest evidence first; details only for columns with a drift."""
    rows = []
    for column in judgement.columns:
        has_drifted = column.name in judgement.drifted
        details = (
            (column.change.kind, str(column.change), f"{column.start.start:%Y-%m-%d}") if has_drifted else ("",) * 3
        )
        is_used = "yes" if column.is_used else "no"
        rows.append((column.name, f"{column.evidence:,.3g}", "yes" if has_drifted else "", is_used, *details))
    names = ["column", "evidence", "drifted", "used by the model", "what changed", "largest change", "since (UTC)"]
    table = charts.Table(rows, columns=names).set_index("column")
    table.attrs[charts.MARKED] = judgement.drifted
    charts.label(table, "Evidence of a drift by column")
    return table


def _draw(judgement: Judgement) -> charts.Chart | str:
    """Return the chart of the evidence, or why there is none."""
    if len(judgement.log_evidence) < 2:
        return "Evidence over time needs at least two windows."
    lines = {"used columns and prediction": judgement.log_evidence}
    lines |= {column.name: column.log_evidence for column in judgement.columns[:_MAX_LISTED]}
    ends = [window.end for window in judgement.windows]
    return charts.evidence_over_time(ends, lines, judgement.threshold)


def _list_caveats(references: dict[str, ColumnReference], judgement: Judgement, windows: list[Window]) -> list[str]:
    """Return what the verdict does not cover."""
    notes = []
    if windows and judgement.unmonitored:
        notes.append(f"Not monitored, because the rows do not contain them: {_join_names(judgement.unmonitored)}.")
    for window in windows:
        if not window.rows:
            last_day = window.end - datetime.timedelta(days=1)
            notes.append(f"No requests from {window.start:%Y-%m-%d} to {last_day:%Y-%m-%d} (UTC).")
    unused = [name for name, reference in references.items() if not reference.is_used]
    if unused:
        notes.append(
            f"Shuffling {_join_names(unused)} in the test rows did not change the model's output; a drift there is at "
            "most a look."
        )
    return [
        *notes,
        "Seasons are not modelled: the reference is all test rows together, so a usual difference between months or "
        "weekdays counts as a drift.",
        "Without labels, a change of the relation between the columns and the target cannot be seen.",
    ]


def _join_names(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    listed = ", ".join(names[:_MAX_LISTED])
    return listed if len(names) <= _MAX_LISTED else f"{listed} and {len(names) - _MAX_LISTED} more"
