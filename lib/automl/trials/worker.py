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

from lib.automl import SearchRequest
from lib.errors import MillraceError

# None of these may start a thread when it is imported: a fork would lose it.
_IMPORTS = ("lib.automl.trials.blend", "lib.automl.families", "lib.training.features", "lightgbm")


@dataclass(frozen=True)
class EncodeTask:
    """The task of encoding the table in ``table.pkl``, which contains X, the target's values, and X_test."""

    request: SearchRequest


@dataclass(frozen=True)
class EncodeResult:
    """The result of `EncodeTask`.

    Attributes
    ----------
    feature_count : int
    core_share : float
        Share of a core that the worker got while it encoded the table, 0 to 1.
    """

    feature_count: int
    core_share: float


@dataclass(frozen=True)
class FitTask:
    """The task of fitting a model on the rows outside a fold.

    Attributes
    ----------
    name : str
        Name of the configuration.
    family : str
        Name of the model family.
    hyperparameters : dict
    fold : int
        Number of the fold.
    seconds : float
        Time limit, from the start of the task.
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    seed : int
        Seed of the model.
    is_bagged : bool
        Whether to fit on all rows, because each tree of the model leaves some rows out. The fold's number then only
        changes the seed of the model.
    """

    name: str
    family: str
    hyperparameters: dict[str, Any]
    fold: int
    seconds: float
    task: str
    seed: int
    is_bagged: bool


@dataclass(frozen=True)
class FitResult:
    """The result of `FitTask`, whose files are ``<name>-<fold>.model`` and ``<name>-<fold>.npz``.

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

    can_fork = True
    facts: dict[str, Any] = {}

    def __init__(self, folder: Path):
        self._folder = folder

    def before_fork(self) -> None:
        """Do nothing: everything is imported."""

    def serve(self, connection: socket.socket) -> None:
        """Work on tasks until the connection is closed."""
        work(Connection(connection.detach()), self._folder)


def load(folder: str) -> WorkerTarget:
    """Import the packages that fits need; a fork server calls this once."""
    for name in _IMPORTS:
        importlib.import_module(name)
    return WorkerTarget(Path(folder))


def work(connection: Connection, folder: Path) -> None:
    """Answer tasks until the other side closes the connection."""
    tasks: queue.SimpleQueue[EncodeTask | FitTask] = queue.SimpleQueue()

    def receive() -> None:
        try:
            while True:
                tasks.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=receive, daemon=True).start()
    while True:
        task = tasks.get()
        result: EncodeResult | FitResult | MillraceError | str
        try:
            result = encode(task, folder) if isinstance(task, EncodeTask) else fit(task, folder)
        except MillraceError as error:
            result = error
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        connection.send(result)


def encode(task: EncodeTask, folder: Path) -> EncodeResult:
    """Write the features of a table, and the fitted encoder."""
    from lib.automl.trials.encoding import encode_features

    started, cpu_started = time.perf_counter(), time.process_time()
    X, y_values, X_test = pickle.loads((folder / "table.pkl").read_bytes())
    features = encode_features(X, y_values, X_test, task.request)
    np.save(folder / "train.npy", np.ascontiguousarray(features.train))
    np.save(folder / "test.npy", np.ascontiguousarray(features.test))
    (folder / "encoder.pkl").write_bytes(pickle.dumps(features.encoder))
    (folder / "kinds.pkl").write_bytes(pickle.dumps(features.encoder.feature_kinds()))
    core_share = (time.process_time() - cpu_started) / max(time.perf_counter() - started, 1e-6)
    return EncodeResult(features.train.shape[1], core_share)


@dataclass(frozen=True)
class _Split:
    """The rows to fit a model on, and the rows that are held out.

    Attributes
    ----------
    features : ndarray of shape (rows, features)
        Features of all rows.
    labels : ndarray of shape (rows,)
        Class indices, or a regression's target.
    train_rows, held_out_rows : ndarray of int
        Positions of the rows.
    """

    features: np.ndarray
    labels: np.ndarray
    train_rows: np.ndarray
    held_out_rows: np.ndarray


def _read_split(task: FitTask, folder: Path) -> _Split:
    """Read the features and labels of the table, and the split of its rows for one fold."""
    folds = np.load(folder / "folds.npy")
    is_trained = (folds != task.fold) | task.is_bagged
    return _Split(
        np.load(folder / "train.npy", mmap_mode="r"),
        np.load(folder / "labels.npy"),
        np.flatnonzero(is_trained),
        np.flatnonzero(~is_trained),
    )


def fit(task: FitTask, folder: Path) -> FitResult:
    """Fit a model, measure its latency, and write the model and its outputs for held-out rows and test rows."""
    from lib.automl.trials.blend import Member
    from lib.automl.trials.latency import measure_row_ms

    started = time.monotonic()
    split = _read_split(task, folder)
    class_count, known_classes = 1, None
    if task.task != "regression":
        class_count, known_classes = int(split.labels.max()) + 1, np.unique(split.labels[split.train_rows])
    kinds = pickle.loads((folder / "kinds.pkl").read_bytes())
    model, out_of_bag = _fit_model(task, split, known_classes, kinds, started)
    member = Member(model, None if known_classes is None else known_classes.tolist(), class_count)
    seconds = time.monotonic() - started
    test_features = np.load(folder / "test.npy", mmap_mode="r")
    held_out_outputs = member.predict_outputs(np.asarray(split.features[split.held_out_rows]))
    test_outputs = member.predict_outputs(np.asarray(test_features))
    if not (np.isfinite(held_out_outputs).all() and np.isfinite(test_outputs).all()):
        raise ValueError("the predictions of the model are not finite")
    row = np.asarray(test_features[:1])
    row_ms = measure_row_ms(lambda: member.predict_outputs(row))
    pickled = pickle.dumps(member)
    (folder / f"{task.name}-{task.fold}.model").write_bytes(pickled)
    held_out_outputs = held_out_outputs if out_of_bag is None else out_of_bag
    np.savez(folder / f"{task.name}-{task.fold}.npz", held_out=held_out_outputs, test=test_outputs)
    return FitResult(seconds, row_ms, len(pickled) / 1e6)


def _fit_model(
    task: FitTask, split: _Split, known_classes: np.ndarray | None, kinds: list[str], started: float
) -> tuple[Any, np.ndarray | None]:
    """Fit a model of the task's family.

    Parameters
    ----------
    task : FitTask
    split : _Split
    known_classes : ndarray or None
        Classes that occur in the training rows; None for a regression.
    kinds : list of str
        The kind of each feature.
    started : float
        Start of the task, on the clock of `time.monotonic`.

    Returns
    -------
    model : estimator or None
        None if the training rows have only one class.
    out_of_bag : ndarray or None
        For a bagged model, the outputs for all rows, each by the trees that left the row out; None for other models.
    """
    from lib.automl.families import BAGGED_FIT_FUNCTIONS, FIT_FUNCTIONS, FitRequest

    y, validation_rows = split.labels[split.train_rows], split.held_out_rows
    if known_classes is not None:
        y = np.searchsorted(known_classes, y)  # families require labels without gaps
        validation_rows = validation_rows[np.isin(split.labels[validation_rows], known_classes)]
    validation_y = split.labels[validation_rows]
    request = FitRequest(
        task=task.task,
        hyperparameters=task.hyperparameters,
        rows=len(split.train_rows),
        validation_features=np.asarray(split.features[validation_rows]),
        validation_y=validation_y if known_classes is None else np.searchsorted(known_classes, validation_y),
        kinds=kinds,
        seed=task.seed + task.fold if task.is_bagged else task.seed,
        deadline=started + task.seconds,
    )
    features = np.asarray(split.features[split.train_rows])
    if task.is_bagged:
        return BAGGED_FIT_FUNCTIONS[task.family](features, y, request)
    if known_classes is not None and len(known_classes) == 1:
        return None, None
    return FIT_FUNCTIONS[task.family](features, y, request), None
