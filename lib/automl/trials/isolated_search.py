"""A search by an engine that works in a single process, which is killed when the time is up.

::

    python -m lib.automl.trials.isolated_search <folder>

An engine of this kind is a module with a function ``search_encoded(table, request, deadline, folder)``::

    table : EncodedTable       features and target of the training rows, and features of the test rows
    request : SearchRequest
    deadline : float           on the clock of `time.monotonic`
    folder : Path              an empty folder for the engine's files

It returns an `EngineResult` whose model takes features; `search` puts the encoder in front of it. Before the engine
starts, a simple model is fitted, which becomes the result if the engine is not finished in time.
"""

from __future__ import annotations

import dataclasses
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

import numpy as np
import pandas as pd
import psutil
from sklearn.pipeline import Pipeline

from lib.automl import EngineResult, SearchRequest
from lib.automl.trials import fallback
from lib.automl.trials.encoding import EncodedTarget, encode_features, encode_target
from lib.automl.trials.simple_model import fit_simple_model
from lib.automl.trials.worker_pool import CHECK_INTERVAL_SECONDS, make_environment
from lib.errors import MillraceError, StageError, format_count
from lib.training.features import TableEncoder

_INPUT, _RESULT, _SIMPLE_RESULT, _ERROR, _LOG = "input.pkl", "result.pkl", "simple.pkl", "error.pkl", "log.txt"
# Share of the time that is reserved for reading the result.
_RESERVED_SHARE = 0.04


@dataclass(frozen=True)
class EncodedTable:
    """A table with encoded features, as an engine receives it.

    Attributes
    ----------
    features : ndarray of shape (training rows, features)
        NaN for missing values, and indices for categories.
    test_features : ndarray of shape (test rows, features)
    categories : list of int
        Positions of the categories among the features.
    target : EncodedTarget
        Target of the training rows.
    started : float
        Start of the search, on the clock of `time.monotonic`.
    """

    features: np.ndarray
    test_features: np.ndarray
    categories: list[int]
    target: EncodedTarget
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
        The engine's result. If the engine was not finished in time: a simple model, or a no-skill model if that was not
        finished either, and a warning.

    Raises
    ------
    DataError
        If no column can be used.
    StageError
        If the engine fails; the message contains its error.
    """
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="millrace-automl-"))
    try:
        (folder / _INPUT).write_bytes(pickle.dumps((engine, X, y, X_test, request, started)))
        reason = _run_process(folder, started + request.budget_seconds, request.memory_bytes)
        if (folder / _ERROR).exists():
            raise pickle.loads((folder / _ERROR).read_bytes())
        seconds = time.monotonic() - started
        for file, warning in ((_RESULT, ""), (_SIMPLE_RESULT, f"{reason}: the returned model is a simple LightGBM.")):
            if (folder / file).exists():
                result: EngineResult = pickle.loads((folder / file).read_bytes())
                report(f"{format_count(len(result.trials), 'model')} after {seconds:.0f} s")
                return dataclasses.replace(result, warning=warning)
        return fallback.make_no_skill_result(X, encode_target(y, request), X_test, request, [], seconds, reason)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_process(folder: Path, deadline: float, max_bytes: int) -> str:
    """Run the process of the search until it ends or exceeds the time or memory limit; return why it ended."""
    with (folder / _LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lib.automl.trials.isolated_search", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=make_environment({}),
            cwd=folder,
            start_new_session=True,
        )
    try:
        while process.poll() is None:
            if time.monotonic() > deadline:
                return "The time was up before the engine was finished"
            if _measure_memory_bytes(process.pid) > max_bytes:
                return f"The engine took more than {max_bytes / 2**30:.1f} GB of memory"
            with suppress(subprocess.TimeoutExpired):
                process.wait(min(CHECK_INTERVAL_SECONDS, max(deadline - time.monotonic(), 0.01)))
        return f"The engine's process ended with exit code {process.returncode}"
    finally:
        with suppress(ProcessLookupError):  # all processes of the session have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _measure_memory_bytes(pid: int) -> int:
    """Return the memory of a process and its children; 0 if it has just ended."""
    try:
        parent = psutil.Process(pid)
        return sum(process.memory_info().rss for process in [parent, *parent.children(recursive=True)])
    except psutil.Error:
        return 0


def main() -> None:
    """Encode the table, fit the simple model, run the engine, and write its result or its error."""
    folder = Path(sys.argv[1])
    engine, X, y, X_test, request, started = pickle.loads((folder / _INPUT).read_bytes())
    try:
        table, encoder = _encode(X, y, X_test, request, started)
        _write_result(folder / _SIMPLE_RESULT, fit_simple_model(table, request), encoder)
        deadline = started + (1 - _RESERVED_SHARE) * request.budget_seconds
        result = importlib.import_module(engine).search_encoded(table, request, deadline, folder)
        _write_result(folder / _RESULT, result, encoder)
    except MillraceError as error:
        _write_pickle(folder / _ERROR, error)
        raise
    except Exception as error:
        name = engine.rpartition(".")[2]
        _write_pickle(folder / _ERROR, StageError(f"automl_engine: {name} failed: {type(error).__name__}: {error}"))
        raise


def _encode(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, started: float
) -> tuple[EncodedTable, TableEncoder]:
    """Return the encoded table, and the fitted encoder."""
    target = encode_target(y, request)
    features = encode_features(X, target.values, X_test, request)
    kinds = features.encoder.feature_kinds()
    categories = [position for position, kind in enumerate(kinds) if kind == "category"]
    return EncodedTable(features.train, features.test, categories, target, started), features.encoder


def _write_result(file: Path, result: EngineResult, encoder: TableEncoder) -> None:
    """Write a result; put the encoder in front of its model, so that the model takes raw columns."""
    _write_pickle(file, dataclasses.replace(result, model=Pipeline([("encoder", encoder), ("model", result.model)])))


def _write_pickle(file: Path, value: object) -> None:
    """Write a value to a temporary file, then rename it: the process may be killed at any time."""
    temporary = file.with_suffix(".part")
    temporary.write_bytes(pickle.dumps(value))
    temporary.rename(file)


if __name__ == "__main__":
    from lib.automl.trials import isolated_search  # pickles must name the classes of this module, not of __main__

    isolated_search.main()
