"""A search by an engine that works in a single process: it runs in a process of its own, which is killed in the end.

::

    python -m lib.automl.trials.isolated_search <folder>

The engine's function ``search_encoded(table, request, deadline, folder)`` takes the encoded table, and returns its
trials, a model of features and the model's name. Before it starts, a simple model is fitted, which is the result if the
engine is not finished in time.
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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from sklearn.pipeline import Pipeline

from lib import metrics
from lib.automl import EngineResult, SearchRequest, Trial
from lib.automl.trials import fallback
from lib.automl.trials.worker_pool import CHECK_INTERVAL_SECONDS, environment
from lib.errors import StageError
from lib.training.features import TableEncoder, target_array

_INPUT, _RESULT, _SIMPLE_RESULT, _ERROR, _LOG = "input.pkl", "result.pkl", "simple.pkl", "error.txt", "log.txt"
# Shares of the time: the maximum for the simple model, and the reserve for reading the result.
_SIMPLE_MODEL_SHARE, _RESERVED_SHARE = 0.05, 0.04
_SIMPLE_MODEL_HOLD_OUT = 5  # one row in five


@dataclass(frozen=True)
class EncodedTable:
    """A table as an engine gets it.

    Attributes
    ----------
    features : ndarray of shape (rows, features)
        Training rows; NaN for missing values, and indices for categories.
    test_features : ndarray of shape (test rows, features)
        Test rows.
    categories : list of int
        Positions of the categories among the features.
    labels : ndarray of shape (rows,)
        Class indices, or a regression's target.
    classes : ndarray or None
        All classes; None for a regression.
    positive_class : object
        Positive class of a binary task.
    started : float
        Start of the search, on the clock of `time.monotonic`.
    """

    features: np.ndarray
    test_features: np.ndarray
    categories: list[int]
    labels: np.ndarray
    classes: np.ndarray | None
    positive_class: Any
    started: float


def search(
    engine: str,
    X: pd.DataFrame,
    y: pd.Series,
    X_test: pd.DataFrame,
    request: SearchRequest,
    report: Callable[[str], None],
) -> EngineResult:
    """Run an engine in a process of its own until its time is up.

    Parameters
    ----------
    engine : str
        Module of the engine, e.g. ``"lib.automl.flaml"``.
    X, X_test : pandas.DataFrame
        Raw columns of the training rows and of the test rows.
    y : pandas.Series
        Target of the training rows.
    request : SearchRequest
    report : callable
        Receives progress lines.

    Returns
    -------
    EngineResult
        The engine's result. If it was not finished in time: a simple model, or else a no-skill model, and a warning.

    Raises
    ------
    StageError
        If the engine fails; the message contains its error.
    """
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="millrace-automl-"))
    try:
        (folder / _INPUT).write_bytes(pickle.dumps((engine, X, y, X_test, request, started)))
        reason = _run_process(folder, started + request.budget_seconds, request.memory_bytes)
        if (folder / _ERROR).exists():
            raise StageError(f"automl_engine: {engine} failed: {(folder / _ERROR).read_text()}")
        seconds = time.monotonic() - started
        for file, warning in ((_RESULT, ""), (_SIMPLE_RESULT, f"{reason}: the returned model is a simple one.")):
            if (folder / file).exists():
                trials, model, best = pickle.loads((folder / file).read_bytes())
                report(f"{len(trials)} models after {seconds:.0f} s")
                return EngineResult(trials, model, best, warning)
        target = target_array(y, request.is_classification)
        return fallback.no_skill_result(X, target, X_test, request, [], seconds, reason)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_process(folder: Path, deadline: float, max_bytes: int) -> str:
    """Run the process of the search until it ends or exceeds a limit; return why it ended."""
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
            if time.monotonic() > deadline:
                return "The time was up before the engine was finished"
            if _memory_bytes(process.pid) > max_bytes:
                return f"The engine took more than {max_bytes / 2**30:.1f} GB of memory"
            with suppress(subprocess.TimeoutExpired):
                process.wait(min(CHECK_INTERVAL_SECONDS, max(deadline - time.monotonic(), 0.01)))
        return f"The engine's process ended with exit code {process.returncode}"
    finally:
        with suppress(ProcessLookupError):  # all of its processes have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _memory_bytes(pid: int) -> int:
    """Return the memory of a process and its children."""
    try:
        parent = psutil.Process(pid)
        return sum(process.memory_info().rss for process in [parent, *parent.children(recursive=True)])
    except psutil.Error:
        return 0  # it has just ended


def main() -> None:
    """Encode the table, fit the simple model, run the engine, and write its result."""
    folder = Path(sys.argv[1])
    engine, X, y, X_test, request, started = pickle.loads((folder / _INPUT).read_bytes())
    try:
        table, encoder = _encode(X, y, X_test, request, started)
        _write_result(folder / _SIMPLE_RESULT, *_fit_simple_model(table, request), encoder)
        deadline = started + (1 - _RESERVED_SHARE) * request.budget_seconds
        trials, model, best = importlib.import_module(engine).search_encoded(table, request, deadline, folder)
        _write_result(folder / _RESULT, trials, model, best, encoder)
    except Exception as error:
        (folder / _ERROR).write_text(f"{type(error).__name__}: {error}")
        raise


def _write_result(file: Path, trials: list[Trial], model: Any, best: str, encoder: TableEncoder) -> None:
    """Write a result under a temporary name first, because the process may be killed at any time."""
    pipeline = Pipeline([("encoder", encoder), ("model", model)])
    temporary = file.with_suffix(".part")
    temporary.write_bytes(pickle.dumps((trials, pipeline, best)))
    temporary.rename(file)


def _encode(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, started: float
) -> tuple[EncodedTable, TableEncoder]:
    encoder = TableEncoder("trees", request.is_classification, request.seed, month_first=request.month_first)
    target = target_array(y, request.is_classification)
    features = encoder.fit_transform(X, target)
    categories = [position for position, kind in enumerate(encoder.feature_kinds()) if kind == "category"]
    classes, positive_class, labels = None, None, target
    if request.is_classification:
        classes, labels = np.unique(target, return_inverse=True)
        if request.task == "binary":
            positive_class = metrics.find_positive_class(classes, request.positive_class)
    test_features = encoder.transform(X_test)
    table = EncodedTable(features, test_features, categories, labels, classes, positive_class, started)
    return table, encoder


def _fit_simple_model(table: EncodedTable, request: SearchRequest) -> tuple[list[Trial], Any, str]:
    """Fit LightGBM on most of the training rows; return its trial, the model and its name."""
    from lib.automl.trials.blend import Member, make_blend, make_predictions
    from lib.automl.trials.families import FitRequest, lightgbm

    started = time.monotonic()
    rows = np.random.default_rng(request.seed).permutation(len(table.features))
    validation, train = np.split(rows, [max(1, len(rows) // _SIMPLE_MODEL_HOLD_OUT)])
    present, y, validation_y = None, table.labels[train], table.labels[validation]
    if table.classes is not None:
        present, y = np.unique(y, return_inverse=True)
        validation = validation[np.isin(validation_y, present)]
        validation_y = np.searchsorted(present, table.labels[validation])
    fit_request = FitRequest(
        request.task,
        {},
        len(train),
        table.features[validation],
        validation_y,
        ["number"] * table.features.shape[1],
        request.seed,
        started + _SIMPLE_MODEL_SHARE * request.budget_seconds,
    )
    member = Member(
        lightgbm(table.features[train], y, fit_request),
        None if present is None else present.tolist(),
        1 if table.classes is None else len(table.classes),
    )
    trial = Trial("simple", "lightgbm", weight=1.0, fit_seconds=time.monotonic() - started)
    outputs, test_outputs = (
        member.predict_outputs(features) for features in (table.features[validation], table.test_features)
    )
    trial.validation = validation, make_predictions(outputs, table.classes, table.positive_class)
    trial.test = make_predictions(test_outputs, table.classes, table.positive_class)
    trial.done_seconds = time.monotonic() - table.started
    return [trial], make_blend([member], [1.0], table.classes), "simple"


if __name__ == "__main__":
    from lib.automl.trials import isolated_search  # pickles must name the classes of this module, not of __main__

    isolated_search.main()
