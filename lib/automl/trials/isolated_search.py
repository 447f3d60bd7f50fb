"""An engine that works in one process, in a process of its own: it is ended when its time is up.

::

    python -m lib.automl.trials.isolated_search <folder>

An engine's ``inside(table, request, until, folder)`` gets the encoded table and returns its trials, a model of
features, and the model's name. Before it begins, a simple model is kept for the case that it does not come to its end.
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

_GIVEN, _FOUND, _SIMPLE, _FAILED, _LOG = "given.pkl", "found.pkl", "simple.pkl", "failed.txt", "log.txt"
# Of the time: what the simple model may take, and what is kept for bringing the best one over.
_SIMPLE_SHARE, _RESERVE = 0.05, 0.04


@dataclass(frozen=True)
class Encoded:
    """A table as an engine gets it.

    Attributes
    ----------
    F, F_test : ndarray of shape (rows, features)
        Missing values as NaN, categories as the numbers of their levels.
    categories : list of int
        Places of those.
    labels : ndarray of shape (rows,)
        Numbers of the classes, or a regression's target.
    classes : ndarray or None
    positive : object
        Of a binary task.
    began : float
        Of `time.monotonic`.
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
    say: Callable[[str], None],
) -> Result:
    """Let an engine work until its time is up; then the simple model, with a warning, stands in for it.

    Raises
    ------
    StageError
        Where it fails, with what it said.
    """
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="millrace-automl-"))
    until = began + request.budget_seconds
    try:
        (folder / _GIVEN).write_bytes(pickle.dumps((engine, X, y, X_test, request, began)))
        why = _ended(folder, until, request.memory_bytes)
        if (folder / _FAILED).exists():
            raise StageError(f"automl_engine: {engine} failed: {(folder / _FAILED).read_text()}")
        for name, warning in ((_FOUND, ""), (_SIMPLE, f"{why}, so a simple model stands in for the search's best.")):
            if (folder / name).exists():
                result = pickle.loads((folder / name).read_bytes())
                say(f"{len(result.trials)} models after {time.monotonic() - began:.0f} s")
                return Result(result.trials, result.model, result.best, result.warning or warning)
        plain = target_array(y, request.is_classification)
        return fallback.prior(X, plain, X_test, request, [], time.monotonic() - began, why)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ended(folder: Path, until: float, most_bytes: int) -> str:
    """Run the process to its end or to the end of its time; why it has found nothing, if it has not."""
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
            if _memory(process.pid) > most_bytes:
                return f"The engine took more than {most_bytes / 2**30:.1f} GB of memory"
            with_rest = min(CHECK_INTERVAL_SECONDS, max(until - time.monotonic(), 0.01))
            try:
                process.wait(with_rest)
            except subprocess.TimeoutExpired:
                continue
        return f"The engine's process ended with code {process.returncode}"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nothing of it is left
        process.wait()


def _memory(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        return sum(one.memory_info().rss for one in [root, *root.children(recursive=True)])
    except psutil.Error:
        return 0  # it has just ended


def main() -> None:
    """Encode, keep a simple model, let the engine search, and write what it found."""
    folder = Path(sys.argv[1])
    engine, X, y, X_test, request, began = pickle.loads((folder / _GIVEN).read_bytes())
    try:
        table, encoder = _encoded(X, y, X_test, request, began)
        _keep(folder / _SIMPLE, *_simple(table, request), encoder)
        until = began + (1 - _RESERVE) * request.budget_seconds
        trials, model, best = importlib.import_module(engine).inside(table, request, until, folder)
        _keep(folder / _FOUND, trials, model, best, encoder)
    except Exception as error:
        (folder / _FAILED).write_text(f"{type(error).__name__}: {error}")
        raise


def _keep(file: Path, trials: list[Trial], model: Any, best: str, encoder: TableEncoder) -> None:
    result = Result(trials, Pipeline([("encoder", encoder), ("model", model)]), best)
    part = file.with_suffix(".part")
    part.write_bytes(pickle.dumps(result))
    part.rename(file)


def _encoded(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, began: float
) -> tuple[Encoded, TableEncoder]:
    encoder = TableEncoder("trees", request.is_classification, request.seed, month_first=request.month_first)
    target = target_array(y, request.is_classification)
    F = encoder.fit_transform(X, target)
    kinds = [column.kind for column in encoder.columns_.values() for _ in column.parts]
    places = [place for place, kind in enumerate(kind for kind in kinds if kind != "code") if kind == "category"]
    classes, positive, labels = None, None, target
    if request.is_classification:
        classes, labels = np.unique(target, return_inverse=True)
        positive = metrics.find_positive_class(classes, request.positive_class) if request.task == "binary" else None
    features = F, encoder.transform(X_test)
    return Encoded(*features, places, labels, classes, positive, began), encoder


def _simple(table: Encoded, request: SearchRequest) -> tuple[list[Trial], Any, str]:
    from lib.automl.trials.blend import BlendClassifier, BlendRegressor, Member, predictions
    from lib.automl.trials.families import Fit, lightgbm

    F = table.F
    rows = np.random.default_rng(request.seed).permutation(len(F))
    cut = max(1, len(rows) // 5)
    seen, unseen, began = rows[cut:], rows[:cut], time.monotonic()
    until = began + _SIMPLE_SHARE * request.budget_seconds
    present, target = None, table.labels[seen]
    if table.classes is not None:
        present, target = np.unique(target, return_inverse=True)
        unseen = unseen[np.isin(table.labels[unseen], present)]
    truth = table.labels[unseen] if present is None else np.searchsorted(present, table.labels[unseen])
    kinds = ["number"] * F.shape[1]
    told = Fit(request.task, {}, len(seen), F[unseen], truth, kinds, request.seed, until)
    count = 1 if table.classes is None else len(table.classes)
    member = Member(lightgbm(F[seen], target, told), None if present is None else present.tolist(), count)
    made = [member], [1.0]
    model = BlendRegressor(*made) if table.classes is None else BlendClassifier(*made, table.classes)
    trial = Trial("simple", "lightgbm", weight=1.0, fit_seconds=time.monotonic() - began)
    trial.validation = unseen, predictions(member.answer(F[unseen]), table.classes, table.positive)
    trial.test = predictions(member.answer(table.F_test), table.classes, table.positive)
    trial.done_seconds = time.monotonic() - table.began
    return [trial], model, "simple"


if __name__ == "__main__":
    from lib.automl.trials import isolated_search  # what is pickled names its classes, which are not those of __main__

    isolated_search.main()
