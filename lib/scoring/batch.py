"""Batch scoring: a table's rows get the endpoint's own checks, and the valid ones get predictions.

This module runs in a process that ``lib/forkserver`` starts on the model's own code; see `load` and `wire_protocol`.
"""

from __future__ import annotations

import json
import pickle
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.scoring import wire_protocol
from lib.scoring.cells import request_values
from lib.scoring.fast_model.form import Answers
from lib.scoring.intervals import PredictionIntervals
from lib.scoring.request_error import describe_value
from lib.scoring.scorer import Scorer
from lib.scoring.value_warnings import group_by_row
from lib.scoring.worker import describe_scorer, load_scorer

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ScoredRows:
    """Rows of a table with their predictions.

    Attributes
    ----------
    values : dict of str to list
        The model's input columns, with None in place of invalid values.
    predictions : list
        A prediction for each row; None if the row could not be scored.
    probabilities : list of list or None
        For a classifier, a list for each class with a probability for each row, or None if the row could not be
        scored. None for a regression.
    faults : dict of int to str
        The reason why a row could not be scored, by the row's position.
    intervals : list or None
        The interval or set of classes of each row; None for a row without one, or if the model was trained without
        coverage.
    warnings : dict of int to str
        The unusual values of a row, by the row's position.
    reasons : list of list, or None
        The reasons of each row, each with ``column`` and ``effect``; None if no reasons were requested.
    reason_count : int
        The requested number of reasons per row.
    """

    values: dict[str, list]
    predictions: list
    probabilities: list[list] | None
    faults: dict[int, str]
    intervals: list | None = None
    warnings: dict[int, str] = field(default_factory=dict)
    reasons: list[list[dict] | None] | None = None
    reason_count: int = 0


class BatchProcess:
    """The process that scores the parts of a table, started by a fork server; see `lib.forkserver.server.Target`.

    Parameters
    ----------
    scorer : Scorer
    """

    can_fork = False  # a command uses a single connection

    def __init__(self, scorer: Scorer):
        self._scorer = scorer
        self.facts = describe_scorer(scorer)

    def before_fork(self) -> None:
        """Do nothing: this process does not fork."""

    def serve(self, connection: socket.socket) -> None:
        """Score the parts of a table until the command closes the connection."""
        with connection.makefile("rb") as file:
            while (part := wire_protocol.read_part(file)) is not None:
                rows = pickle.loads(part)  # trusted: the command that started this process pickled them
                table = to_arrow(score_rows(self._scorer, rows), self._scorer)
                connection.sendall(wire_protocol.pack_part(_serialize(table)))


def load(folder: str, name: str, version: str) -> BatchProcess:
    """Load the model of a folder, with the parameters of `worker.load`. A fork server calls this function once."""
    return BatchProcess(load_scorer(folder, name, version))


def score_rows(scorer: Scorer, rows: pd.DataFrame) -> ScoredRows:
    """Score the rows of a table; a row with invalid values gets a fault instead of a prediction.

    Parameters
    ----------
    scorer : Scorer
    rows : DataFrame of shape (rows, columns)
        Rows with the model's columns. Other columns are ignored, and a column that is absent counts as all null.
    """
    reason_count = rows.attrs.get(wire_protocol.REASONS_ATTRIBUTE, 0)
    reasons: list[list[dict] | None] | None = [None] * len(rows) if reason_count else None
    values: dict[str, list] = {}
    faults: dict[int, str] = {}
    for column in scorer.model.columns:
        name = column.name
        values[name] = request_values(column, rows[name]) if name in rows.columns else [None] * len(rows)
        for position, value in column.invalid_values(values[name]):
            fault = f"column {name!r}: got {describe_value(value)}, expected {column.expected}"
            faults[position] = f"{faults[position]}; {fault}" if position in faults else fault
            values[name][position] = None
    valid = [position for position in range(len(rows)) if position not in faults]
    predictions: list = [None] * len(rows)
    intervals: list | None = None if scorer.model.coverage is None else [None] * len(rows)
    probabilities: list[list] | None = None
    if scorer.classes is not None:
        probabilities = [[None] * len(rows) for _ in scorer.classes]
    for positions, (labels, class_probabilities) in _predict_in_groups(scorer, values, valid, faults):
        table = {name: [column[position] for position in positions] for name, column in values.items()}
        if intervals is not None:
            found = scorer.find_intervals(table, labels, class_probabilities)
            for position, interval in zip(positions, found, strict=True):
                intervals[position] = interval
        if reasons is not None:
            explained = scorer.find_reasons(table, labels, reason_count)["reasons"]
            for position, reason in zip(positions, explained, strict=True):
                reasons[position] = reason["columns"]
        for row, position in enumerate(positions):
            predictions[position] = labels[row].item() if isinstance(labels[row], np.generic) else labels[row]
            if probabilities is not None and class_probabilities is not None:
                for class_index, class_column in enumerate(probabilities):
                    class_column[position] = float(class_probabilities[row, class_index])
    warnings = group_by_row(scorer.value_warnings.find(values))
    return ScoredRows(values, predictions, probabilities, faults, intervals, warnings, reasons, reason_count)


def to_arrow(scored: ScoredRows, scorer: Scorer) -> pa.Table:
    """Convert scored rows to an Arrow table.

    The columns are, in this order: the model's inputs; ``prediction``; a column with the probability of each class; for
    a model with coverage ``interval_low`` and ``interval_high``, or ``set`` with a JSON list; if reasons are requested
    ``reason_1``, ``effect_1``, ``reason_2`` and so on; ``warnings`` about unusual values; and ``fault`` with the reason
    why a row could not be scored. Use their order, since names may occur twice.
    """
    import pyarrow as pa

    names = [column.name for column in scorer.model.columns]
    arrays = [column.to_arrow(scored.values[column.name]) for column in scorer.model.columns]
    if scorer.classes is None:
        names.append("prediction")
        arrays.append(pa.array(scored.predictions, type=pa.float64()))
    else:
        names += ["prediction", *(f"probability_{label}" for label in scorer.classes)]
        arrays.append(pa.array(scored.predictions, type=pa.array(scorer.classes).type))
        arrays += [pa.array(class_column, type=pa.float64()) for class_column in scored.probabilities or ()]
    for name, array in (*_interval_arrays(scored, scorer), *_reason_arrays(scored)):
        names.append(name)
        arrays.append(array)
    names += ["warnings", "fault"]
    arrays.append(pa.array([scored.warnings.get(row) for row in range(len(scored.predictions))], type=pa.string()))
    arrays.append(pa.array([scored.faults.get(row) for row in range(len(scored.predictions))], type=pa.string()))
    return pa.Table.from_arrays(arrays, names=names)


def _interval_arrays(scored: ScoredRows, scorer: Scorer) -> Iterator[tuple[str, Any]]:
    """Yield names and Arrow arrays of the columns with intervals or sets; none if the model has neither."""
    import pyarrow as pa

    if scored.intervals is None:
        return
    if isinstance(scorer.model.coverage, PredictionIntervals):
        for name, end in (("interval_low", 0), ("interval_high", 1)):
            ends = [None if interval is None else interval[end] for interval in scored.intervals]
            yield name, pa.array(ends, type=pa.float64())
    else:
        texts = [None if labels is None else json.dumps(labels, ensure_ascii=False) for labels in scored.intervals]
        yield "set", pa.array(texts, type=pa.string())


def _reason_arrays(scored: ScoredRows) -> Iterator[tuple[str, Any]]:
    """Yield names and Arrow arrays of two columns for each reason: the name of a column, and its effect."""
    import pyarrow as pa

    if scored.reasons is None:
        return
    for number in range(scored.reason_count):
        reasons = [row[number] if row and number < len(row) else None for row in scored.reasons]
        names = [None if reason is None else reason["column"] for reason in reasons]
        effects = [None if reason is None else reason["effect"] for reason in reasons]
        yield f"reason_{number + 1}", pa.array(names, type=pa.string())
        yield f"effect_{number + 1}", pa.array(effects, type=pa.float64())


def _serialize(table: pa.Table) -> bytes:
    """Return a table as a stream in Arrow's IPC format."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _predict_in_groups(
    scorer: Scorer, values: dict[str, list], positions: list[int], faults: dict[int, str]
) -> Iterator[tuple[list[int], Answers]]:
    """Yield the positions of groups of rows, each with the model's answers.

    If the model fails on a group, its two halves are tried separately. A single row that fails is added to `faults`.
    """
    if not positions:
        return
    rows = {name: [column[position] for position in positions] for name, column in values.items()}
    try:
        labels, probabilities = scorer.predict(rows)
        if np.isfinite(labels if probabilities is None else probabilities).all():
            yield positions, (labels, probabilities)
            return
        reason = "the model's answer is not a finite number"
    except (ValueError, ArithmeticError) as error:
        reason = f"the model cannot score it: {str(error)[:300]}"
    if len(positions) == 1:
        faults[positions[0]] = reason
        return
    half = len(positions) // 2
    yield from _predict_in_groups(scorer, values, positions[:half], faults)
    yield from _predict_in_groups(scorer, values, positions[half:], faults)
