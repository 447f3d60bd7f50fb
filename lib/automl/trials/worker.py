"""A worker of an AutoML search: a process that reads tasks from its connection and answers with their results.

A fork server (`lib.forkserver`) imports what models need, and forks the workers. Models and predictions go into files
of a shared folder. A worker ends when its connection is closed, even in the middle of a fit.
"""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import socket
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

# None of these may start a thread when it is imported: a fork would lose it.
_IMPORTS = ("lib.automl.trials.blend", "lib.automl.trials.families", "lib.training.features", "lightgbm")


@dataclass(frozen=True)
class Encode:
    """The task of reading ``table.pkl`` (X, y, X_test) and writing its features."""

    seed: int
    is_classification: bool
    month_first: bool = False


@dataclass(frozen=True)
class Encoded:
    """The result of `Encode`.

    Attributes
    ----------
    features : int
        Number of features.
    core : float
        Share of a core that the worker got meanwhile, 0 to 1.
    """

    features: int
    core: float


@dataclass(frozen=True)
class FitFold:
    """The task of fitting a model on the rows outside a fold.

    Attributes
    ----------
    name : str
        Name of the configuration.
    family : str
        Name of the model family.
    settings : dict
        Hyperparameters.
    fold : int
        Number of the fold.
    seconds : float
        Time limit, from the start of the task.
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    seed : int
        Seed of the model.
    bagged : bool
        Whether to fit on all rows, because the model itself leaves some out for each tree; the fold then stands for a
        part of the trees.
    """

    name: str
    family: str
    settings: dict[str, Any]
    fold: int
    seconds: float
    task: str
    seed: int
    bagged: bool


@dataclass(frozen=True)
class Fitted:
    """The result of `FitFold`, whose files are ``<name>-<fold>.model`` and ``<name>-<fold>.npz``.

    Attributes
    ----------
    seconds : float
        Duration of the fit.
    row_ms : float
        Milliseconds to predict one row.
    megabytes : float
        Size of the pickled model.
    """

    seconds: float
    row_ms: float
    megabytes: float


class WorkerTarget:
    """The target of the fork server; see `lib.forkserver.server.Target`.

    Parameters
    ----------
    folder : Path
        The folder of tables, models and predictions.
    """

    forks = True
    facts: dict[str, Any] = {}

    def __init__(self, folder: Path):
        self._folder = folder

    def before_fork(self) -> None:
        """Do nothing: everything is imported."""

    def serve(self, connection: socket.socket) -> None:
        """Work on tasks until the connection is closed."""
        work(Connection(connection.detach()), self._folder)


def load(folder: str) -> WorkerTarget:
    """Import what models need; a fork server calls this once."""
    for name in _IMPORTS:
        importlib.import_module(name)
    return WorkerTarget(Path(folder))


def work(connection: Connection, folder: Path) -> None:
    """Answer tasks until the other side closes the connection."""
    tasks: queue.SimpleQueue[Encode | FitFold] = queue.SimpleQueue()

    def receive() -> None:
        try:
            while True:
                tasks.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=receive, daemon=True).start()
    while True:
        task = tasks.get()
        result: Encoded | Fitted | str
        try:
            result = encode(task, folder) if isinstance(task, Encode) else fit(task, folder)
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        connection.send(result)


def encode(task: Encode, folder: Path) -> Encoded:
    """Write the features of a table, and the fitted encoder."""
    from lib.training.features import TableEncoder, target_array

    started, cpu_started = time.perf_counter(), time.process_time()
    X, y, X_test = pickle.loads((folder / "table.pkl").read_bytes())
    encoder = TableEncoder("trees", task.is_classification, task.seed, month_first=task.month_first)
    features = np.ascontiguousarray(encoder.fit_transform(X, target_array(y, task.is_classification)))
    test_features = np.ascontiguousarray(encoder.transform(X_test))
    np.save(folder / "train.npy", features)
    np.save(folder / "test.npy", test_features)
    (folder / "encoder.pkl").write_bytes(pickle.dumps(encoder))
    (folder / "kinds.pkl").write_bytes(pickle.dumps(encoder.feature_kinds()))
    core = (time.process_time() - cpu_started) / max(time.perf_counter() - started, 1e-6)
    return Encoded(features.shape[1], core)


@dataclass(frozen=True)
class _Split:
    """The rows of a fold's fit.

    Attributes
    ----------
    features : ndarray of shape (rows, features)
        All training rows.
    labels : ndarray of shape (rows,)
        Class numbers, or a regression's target.
    learn, held_out : ndarray of int
        Positions of the rows to fit on, and of the fold's rows.
    """

    features: np.ndarray
    labels: np.ndarray
    learn: np.ndarray
    held_out: np.ndarray


def _read_split(task: FitFold, folder: Path) -> _Split:
    folds = np.load(folder / "folds.npy")
    is_learnt = (folds != task.fold) | task.bagged
    return _Split(
        np.load(folder / "train.npy", mmap_mode="r"),
        np.load(folder / "labels.npy"),
        np.flatnonzero(is_learnt),
        np.flatnonzero(~is_learnt),
    )


def fit(task: FitFold, folder: Path) -> Fitted:
    """Fit a model, write it with its predictions for the fold's rows and the test rows, and time one row."""
    from lib.automl.trials.blend import Member
    from lib.automl.trials.latency import measure_row_ms

    started = time.monotonic()
    split = _read_split(task, folder)
    classes, present = 1, None
    if task.task != "regression":
        classes, present = int(split.labels.max()) + 1, np.unique(split.labels[split.learn])
    model, held_out_answers = _fit_model(
        task, split, present, pickle.loads((folder / "kinds.pkl").read_bytes()), started
    )
    member = Member(model, None if present is None else present.tolist(), classes)
    seconds = time.monotonic() - started
    test_features = np.load(folder / "test.npy", mmap_mode="r")
    answers = {
        "unseen": member.predict_outputs(np.asarray(split.features[split.held_out])),
        "test": member.predict_outputs(np.asarray(test_features)),
    }
    if not all(np.isfinite(answer).all() for answer in answers.values()):
        raise ValueError("its predictions are not finite")
    if task.bagged:
        answers["unseen"] = held_out_answers
    row = np.asarray(test_features[:1])
    row_ms = measure_row_ms(lambda: member.predict_outputs(row))
    pickled = pickle.dumps(member)
    (folder / f"{task.name}-{task.fold}.model").write_bytes(pickled)
    np.savez(folder / f"{task.name}-{task.fold}.npz", unseen=answers["unseen"], test=answers["test"])
    return Fitted(seconds, row_ms, len(pickled) / 1e6)


def _fit_model(
    task: FitFold, split: _Split, present: np.ndarray | None, kinds: list[str], started: float
) -> tuple[Any, Any]:
    """Fit the estimator of a fold.

    Parameters
    ----------
    present : ndarray or None
        Classes that occur in the rows to fit on; None for a regression.
    kinds : list of str
        The kind of each feature.
    started : float
        Start of the task, on the clock of `time.monotonic`.

    Returns
    -------
    model : estimator or None
        None if only one class is present.
    held_out_answers : ndarray or None
        Predictions of a bagged model for rows that it left out; None for other models.
    """
    from lib.automl.trials.families import BAGGED_FIT_FUNCTIONS, FIT_FUNCTIONS, FitRequest

    target, watched = split.labels[split.learn], split.held_out
    truth = split.labels[watched]
    if present is not None:
        # Families number the classes they get without gaps.
        target = np.searchsorted(present, target)
        watched = watched[np.isin(truth, present)]
        truth = np.searchsorted(present, split.labels[watched])
    options = FitRequest(
        task.task,
        task.settings,
        len(split.learn),
        np.asarray(split.features[watched]),
        truth,
        kinds,
        task.seed + task.fold if task.bagged else task.seed,
        started + task.seconds,
    )
    features = np.asarray(split.features[split.learn])
    if task.bagged:
        return BAGGED_FIT_FUNCTIONS[task.family](features, target, options)
    if present is not None and len(present) == 1:
        return None, None
    return FIT_FUNCTIONS[task.family](features, target, options), None
