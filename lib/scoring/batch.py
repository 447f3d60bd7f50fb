"""The rows of a table through the endpoint's own checks and model: invalid rows are reported, the others scored.

Run in a process of its own, which ``lib/forkserver`` starts from the model's code: see `load` and `wire_protocol`.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib.scoring import wire_protocol
from lib.scoring.cells import request_values
from lib.scoring.fast_model.form import Answers
from lib.scoring.request_error import describe_value
from lib.scoring.scorer import Scorer
from lib.scoring.worker import facts_of, load_scorer

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Scored:
    """Scored rows of a table.

    Attributes
    ----------
    values : dict of str to list
        The model's input columns; null where a value was invalid.
    predictions : list
        Null for rows that could not be scored.
    probabilities : list of list or None
        For a classifier, a list per class; null for rows that could not be scored.
    faults : dict of int to str
        Why a row could not be scored, by its position among these rows.
    """

    values: dict[str, list]
    predictions: list
    probabilities: list[list] | None
    faults: dict[int, str]


class BatchProcess:
    """The target of a fork server that scores parts of a table; see `lib.forkserver.server.Target`.

    Parameters
    ----------
    scorer : Scorer
    """

    can_fork = False  # one command asks, over one connection

    def __init__(self, scorer: Scorer):
        self._scorer = scorer
        self.facts = facts_of(scorer)

    def before_fork(self) -> None:
        """Do nothing: this process does not fork."""

    def serve(self, connection: socket.socket) -> None:
        """Score the parts of a table until the command closes the connection."""
        with connection.makefile("rb") as file:
            while (part := wire_protocol.read_part(file)) is not None:
                # The command pickled its own rows.
                table = as_arrow(score(self._scorer, pickle.loads(part)), self._scorer)
                connection.sendall(wire_protocol.pack_part(_arrow_bytes(table)))


def load(folder: str, name: str, version: str) -> BatchProcess:
    """Load the model of a folder; a fork server calls this once. Parameters are those of `worker.load`."""
    return BatchProcess(load_scorer(folder, name, version))


def score(scorer: Scorer, rows: pd.DataFrame) -> Scored:
    """Score the rows of a table.

    Parameters
    ----------
    scorer : Scorer
    rows : DataFrame of shape (rows, columns)
        Rows with the model's columns; other columns are ignored. A missing column is all null.
    """
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
    probabilities: list[list] | None = None
    if scorer.classes is not None:
        probabilities = [[None] * len(rows) for _ in scorer.classes]
    for positions, (labels, class_probabilities) in _predict(scorer, values, valid, faults):
        for row, position in enumerate(positions):
            predictions[position] = labels[row].item() if isinstance(labels[row], np.generic) else labels[row]
            if probabilities is not None and class_probabilities is not None:
                for number, of_class in enumerate(probabilities):
                    of_class[position] = float(class_probabilities[row, number])
    return Scored(values, predictions, probabilities, faults)


def as_arrow(scored: Scored, scorer: Scorer) -> pa.Table:
    """Return scored rows as an Arrow table.

    The columns are the model's inputs in order, ``prediction``, a column per class with its probability, and ``fault``
    with the reason for a row that could not be scored. Names are not unique; the order counts.
    """
    import pyarrow as pa

    names = [column.name for column in scorer.model.columns]
    arrays = [column.arrow(scored.values[column.name]) for column in scorer.model.columns]
    if scorer.classes is None:
        names.append("prediction")
        arrays.append(pa.array(scored.predictions, type=pa.float64()))
    else:
        names += ["prediction", *(f"probability_{label}" for label in scorer.classes)]
        arrays.append(pa.array(scored.predictions, type=pa.array(scorer.classes).type))
        arrays += [pa.array(of_class, type=pa.float64()) for of_class in scored.probabilities or ()]
    names.append("fault")
    arrays.append(pa.array([scored.faults.get(row) for row in range(len(scored.predictions))], type=pa.string()))
    return pa.Table.from_arrays(arrays, names=names)


def _arrow_bytes(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _predict(
    scorer: Scorer, values: dict[str, list], positions: list[int], faults: dict[int, str]
) -> Iterator[tuple[list[int], Answers]]:
    """Yield groups of rows with the model's answers.

    If the model fails on a group, both halves are tried separately, down to single rows, which are added to `faults`.
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
    yield from _predict(scorer, values, positions[:half], faults)
    yield from _predict(scorer, values, positions[half:], faults)
