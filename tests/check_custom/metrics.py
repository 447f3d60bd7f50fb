"""Checks of metrics: they score predictions of every task that they name, and prefer good predictions."""

import numpy as np
import pandas as pd

from lib import metrics
from lib.errors import MillraceError
from lib.metrics import Predictions, custom

_ROWS = 60


def find_faults(name):
    """Return a message for each promise of a metric that it does not keep.

    The rows have no columns of the customer's table, so a KeyError says nothing about the metric.
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


def _make_predictions(task):
    """Return true values, right predictions and wrong predictions."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(index=range(_ROWS))
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
