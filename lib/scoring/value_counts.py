"""Counts of the values in requests, which each worker keeps in a file of its own and the router adds up.

A count costs nanoseconds, since the file is mapped into memory and no other process writes to it.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
# The environment variable with the folder of the files.
FOLDER_VARIABLE = "MILLRACE_COUNTS_FOLDER"
# The kinds of counts; those of warnings are called by the warnings' codes.
ROWS, MISSING, PREDICTION, PREDICTION_SUM = "rows", "missing", "prediction", "prediction_sum"
_WARNING_CODES = ("unseen_category", "outside_training", "outside_contract")
# More classes than that are not counted one by one.
_MAX_CLASSES = 100
_NUMBER_BYTES = 8

Key = tuple[str, str]


class ValueCounts:
    """The counts of one worker.

    Parameters
    ----------
    path : Path
        The file, which is created.
    columns : sequence of str
        Names of the model's columns.
    classes : sequence or None
        The labels of a classifier.
    """

    def __init__(self, path: Path, columns: Sequence[str], classes: Sequence[Any] | None):
        labels = [] if classes is None or len(classes) > _MAX_CLASSES else list(map(str, classes))
        keys: list[Key] = [(ROWS, ""), *((MISSING, name) for name in columns)]
        keys += [(code, name) for code in _WARNING_CODES for name in columns]
        keys += [(PREDICTION, label) for label in labels] if classes is not None else [(PREDICTION_SUM, "")]
        self._positions = {key: position for position, key in enumerate(keys)}
        self._columns = tuple(enumerate(columns, 1))
        self._is_classifier, self._has_labels = classes is not None, bool(labels)
        head = json.dumps(keys).encode()
        head += b" " * (-(len(head) + 1) % _NUMBER_BYTES) + b"\n"
        path.write_bytes(head + bytes(_NUMBER_BYTES * len(keys)))
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), 0))[len(head) :].cast("d")

    def add(self, table: Mapping[str, list], predictions: Sequence[Any], warnings: Sequence[Mapping[str, Any]]) -> None:
        """Count the rows of an answered request.

        Parameters
        ----------
        table : mapping of str to list
            Checked values by column.
        predictions : sequence
            The answer's predictions.
        warnings : sequence of mapping
            All warnings about the values.
        """
        numbers = self._numbers
        numbers[0] += len(predictions)
        for position, name in self._columns:
            values = table[name]
            if None in values:
                numbers[position] += values.count(None)
        for warning in warnings:
            position = self._positions.get((warning["code"], warning["column"]), -1)
            if position >= 0:
                numbers[position] += 1
        if self._has_labels:
            for prediction in predictions:
                numbers[self._positions[PREDICTION, str(prediction)]] += 1
        elif not self._is_classifier:
            numbers[self._positions[PREDICTION_SUM, ""]] += sum(predictions)


def make_counts(columns: Sequence[str], classes: Sequence[Any] | None) -> ValueCounts | None:
    """Return the counts of this process; None if the environment names no folder, or it cannot be written to."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    try:
        return ValueCounts(Path(folder) / str(os.getpid()), columns, classes)
    except OSError as error:
        log.error("The values of requests are not counted: %s", error)
        return None


def read_counts(path: Path) -> dict[Key, float]:
    """Return the counts in the file of a worker; empty if there is no such file, as with models of earlier releases."""
    try:
        head, _, numbers = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return {}
    keys = json.loads(head) if numbers else []
    return {(kind, label): number for (kind, label), number in zip(keys, memoryview(numbers).cast("d"), strict=True)}
