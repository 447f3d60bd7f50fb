"""A search engine in a process of its own, which is ended when its time is up.

::

    python -m lib.automl.trials.isolated_search <folder>

An engine is a module with a function ``inside(table, request, until, folder)``, which gets the encoded table and
returns its trials, a model of features, and the model's name. Before it starts, a simple model is saved as a fallback.
"""

from __future__ import annotations

import importlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from sklearn.pipeline import Pipeline

from lib import metrics
from lib.automl import Result, SearchRequest, Trial
from lib.automl.trials import fallback
from lib.automl.trials.worker_pool import CHECK_INTERVAL_SECONDS, environment
from lib.errors import StageError
from lib.training.features import TableEncoder, target_array

_INPUT, _RESULT, _SIMPLE, _FAILURE, _LOG = "input.pkl", "result.pkl", "simple.pkl", "failure.txt", "log.txt"
# Shares of the time budget: for the simple model, and for transferring the best model at the end.
_SIMPLE_SHARE, _RESERVED_SHARE = 0.05, 0.04


@dataclass(frozen=True)
class Encoded:
    """An encoded table, as an engine gets it.

    Attributes
    ----------
    F, F_test : ndarray of shape (rows, features)
        Features of the training and test rows: missing values as NaN, categories as numbers.
    categories : list of int
        Positions of the categorical features.
    labels : ndarray of shape (rows,)
        Class numbers, or a regression's target.
    classes : ndarray or None
        The classes; None for a regression.
    positive : object
        The positive class of a binary task.
    began : float
        Start of the search, on the clock of `time.monotonic`.
    """

    F: np.ndarray
    F_test: np.ndarray
    categories: list[int]
    labels: np.ndarray
    classes: np.ndarray | None
    positive: Any
    began: float


def search(
    engine: str,
    X: pd.DataFrame,
    y: pd.Series,
    X_test: pd.DataFrame,
    request: SearchRequest,
    report: Callable[[str], None],
) -> Result:
    """Run an engine until its time is up. If it has no model by then, return the simple model with a warning.

    Parameters
    ----------
    engine : str
        Name of the engine's module.
    X, X_test : DataFrame of shape (rows, columns)
        Raw columns of the training and test rows.
    y : Series of shape (rows,)
        Target of the training rows.
    request : SearchRequest
        Task, metric, time budget and memory limit.
    report : callable
        Called with a line of progress.

    Raises
    ------
    StageError
        If the engine failed, with its message.
    """
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="millrace-automl-"))
    try:
        (folder / _INPUT).write_bytes(pickle.dumps((engine, X, y, X_test, request, began)))
        reason = _run_process(folder, began + request.budget_seconds, request.memory_bytes)
        if (folder / _FAILURE).exists():
            raise StageError(f"automl_engine: {engine} failed: {(folder / _FAILURE).read_text()}")
        for name, warning in ((_RESULT, ""), (_SIMPLE, f"{reason}, so a simple model is used instead of the best.")):
            if (folder / name).exists():
                result = pickle.loads((folder / name).read_bytes())
                report(f"{len(result.trials)} models after {time.monotonic() - began:.0f} s")
                return Result(result.trials, result.model, result.best, result.warning or warning)
        target = target_array(y, request.is_classification)
        return fallback.prior(X, target, X_test, request, [], time.monotonic() - began, reason)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_process(folder: Path, until: float, max_bytes: int) -> str:
    """Run the engine's process to its end or to a limit; return the reason why there may be no result."""
    with (folder / _LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lib.automl.trials.isolated_search", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment({}),
            cwd=folder,
            start_new_session=True,
        )
    try:
        while process.poll() is None:
            if time.monotonic() > until:
                return "The time was up before the engine was done"
            if _memory_of(process.pid) > max_bytes:
                return f"The engine took more than {max_bytes / 2**30:.1f} GB of memory"
            try:
                process.wait(min(CHECK_INTERVAL_SECONDS, max(until - time.monotonic(), 0.01)))
            except subprocess.TimeoutExpired:
                continue
        return f"The engine's process ended with code {process.returncode}"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # all of its processes have ended
        process.wait()


def _memory_of(pid: int) -> int:
    """Return the memory of a process and all its descendants, in bytes."""
    try:
        root = psutil.Process(pid)
        return sum(process.memory_info().rss for process in [root, *root.children(recursive=True)])
    except psutil.Error:
        return 0  # it has just ended


def main() -> None:
    """Encode the table, save a simple model, run the engine, and save its result."""
    folder = Path(sys.argv[1])
    engine, X, y, X_test, request, began = pickle.loads((folder / _INPUT).read_bytes())
    try:
        table, encoder = _encode(X, y, X_test, request, began)
        _save(folder / _SIMPLE, *_fit_simple(table, request), encoder)
        until = began + (1 - _RESERVED_SHARE) * request.budget_seconds
        trials, model, best = importlib.import_module(engine).inside(table, request, until, folder)
        _save(folder / _RESULT, trials, model, best, encoder)
    except Exception as error:
        (folder / _FAILURE).write_text(f"{type(error).__name__}: {error}")
        raise


def _save(file: Path, trials: list[Trial], model: Any, best: str, encoder: TableEncoder) -> None:
    result = Result(trials, Pipeline([("encoder", encoder), ("model", model)]), best)
    part = file.with_suffix(".part")
    part.write_bytes(pickle.dumps(result))
    part.rename(file)


def _encode(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, began: float
) -> tuple[Encoded, TableEncoder]:
    encoder = TableEncoder("trees", request.is_classification, request.seed, month_first=request.month_first)
    target = target_array(y, request.is_classification)
    features = encoder.fit_transform(X, target)
    column_kinds = [column.kind for column in encoder.columns_.values() for _ in column.parts]
    kinds = [kind for kind in column_kinds if kind != "code"]
    categories = [position for position, kind in enumerate(kinds) if kind == "category"]
    classes, positive, labels = None, None, target
    if request.is_classification:
        classes, labels = np.unique(target, return_inverse=True)
        positive = metrics.find_positive_class(classes, request.positive_class) if request.task == "binary" else None
    encoded = Encoded(features, encoder.transform(X_test), categories, labels, classes, positive, began)
    return encoded, encoder


def _fit_simple(table: Encoded, request: SearchRequest) -> tuple[list[Trial], Any, str]:
    """Fit a small gradient boosting; return its trial, the model and its name."""
    from lib.automl.trials.blend import BlendClassifier, BlendRegressor, Member, predictions
    from lib.automl.trials.families import Fit, lightgbm

    started = time.monotonic()
    rows = np.random.default_rng(request.seed).permutation(len(table.F))
    cut = max(1, len(rows) // 5)
    learn, held_out = rows[cut:], rows[:cut]
    present, target = None, table.labels[learn]
    if table.classes is not None:
        present, target = np.unique(target, return_inverse=True)
        held_out = held_out[np.isin(table.labels[held_out], present)]
    truth = table.labels[held_out] if present is None else np.searchsorted(present, table.labels[held_out])
    kinds = ["number"] * table.F.shape[1]
    until = started + _SIMPLE_SHARE * request.budget_seconds
    options = Fit(request.task, {}, len(learn), table.F[held_out], truth, kinds, request.seed, until)
    classes = 1 if table.classes is None else len(table.classes)
    fitted = lightgbm(table.F[learn], target, options)
    member = Member(fitted, None if present is None else present.tolist(), classes)
    model: BlendRegressor | BlendClassifier = BlendRegressor([member], [1.0])
    if table.classes is not None:
        model = BlendClassifier([member], [1.0], table.classes)
    trial = Trial("simple", "lightgbm", weight=1.0, fit_seconds=time.monotonic() - started)
    trial.validation = held_out, predictions(member.answer(table.F[held_out]), table.classes, table.positive)
    trial.test = predictions(member.answer(table.F_test), table.classes, table.positive)
    trial.done_seconds = time.monotonic() - table.began
    return [trial], model, "simple"


if __name__ == "__main__":
    # What is pickled names classes of the module, which are not those of __main__.
    from lib.automl.trials import isolated_search

    isolated_search.main()
