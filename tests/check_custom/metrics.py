"""Checks of metrics: they score predictions of every task that they name, and prefer good predictions."""

import numpy as np
import pandas as pd

from lib import metrics
from lib.errors import MillraceError
from lib.metrics import Predictions, custom

_ROWS = 60


def find_faults(name):
    """Return a message for each promise of a metric that it does not keep.

    The rows have a number in every column that the metric reads. If it needs texts, an error says nothing about it.
    """
    extension = custom.find(name)
    tasks = custom.read_tasks(extension.file) if extension.file is not None else ()
    faults = []
    for task in tasks or metrics.TASKS:
        if task not in metrics.TASKS:
            faults.append(f"{extension.origin}: TASKS contains {task!r}; expected some of {', '.join(metrics.TASKS)}.")
            continue
        try:
            metric = metrics.get(name, task)
            truth, good, bad = _make_predictions(task)
            scores = metric.score(truth, good), metric.score(truth, bad)
        except MillraceError as error:
            if isinstance(error.__cause__, KeyError | AttributeError):
                continue
            faults.append(str(error))
            continue
        if np.isfinite(scores).all() and metric.beats(scores[1], scores[0]):
            faults.append(
                f"{extension.origin}: for a {task} task, wrong predictions get {scores[1]:.4g} and right ones "
                f"{scores[0]:.4g}, which is worse because of GREATER_IS_BETTER = {metric.greater_is_better}."
            )
    return faults


class _RowsWithAllColumns(pd.DataFrame):
    """Rows that have each column that is asked for, with numbers from 1 to 2."""

    def __getitem__(self, key):
        if isinstance(key, str) and key not in self.columns:
            return pd.Series(np.linspace(1, 2, len(self)), self.index, name=key)
        if isinstance(key, list):
            return pd.DataFrame({name: self[name] for name in key})
        return super().__getitem__(key)


def _make_predictions(task):
    """Return true values, right predictions and wrong predictions."""
    random = np.random.default_rng(0)
    rows = _RowsWithAllColumns(index=range(_ROWS))
    if task == "regression":
        truth = random.normal(10, 3, _ROWS)
        return truth, Predictions(truth, rows=rows), Predictions(truth + 20, rows=rows)
    classes = np.array(["no", "yes"] if task == "binary" else ["high", "low", "middle"])
    codes = random.integers(0, len(classes), _ROWS)
    positive = "yes" if task == "binary" else None
    good, bad = (
        Predictions(classes[labels], np.eye(len(classes))[labels], classes, positive, rows=rows)
        for labels in (codes, (codes + 1) % len(classes))
    )
    return classes[codes], good, bad
