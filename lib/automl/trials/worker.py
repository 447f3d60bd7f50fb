"""A process that imports what models need, and forks the workers that fit them.

::

    python -m lib.automl.trials.worker <descriptor> <folder>

For each socket that it is sent on the descriptor it forks a worker, which reads tasks there and answers them; models
and predictions go into files of the folder. A worker ends when the other side hangs up, in the midst of a fit too, and
so does this process.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import queue
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_IMPORTED = ("lib.automl.trials.blend", "lib.automl.trials.families", "lib.training.features", "lightgbm")


@dataclass(frozen=True)
class Encode:
    """Read ``table.pkl`` (X, y, X_test) and write the features."""

    seed: int
    is_classification: bool
    month_first: bool = False


@dataclass(frozen=True)
class Encoded:
    """How many features there are, and the share of a core that the worker had."""

    features: int
    core: float


@dataclass(frozen=True)
class FitFold:
    """FitRequest a family on the rows outside a fold, or on all where it leaves some out itself.

    Attributes
    ----------
    name, family : str
    settings : dict
    fold : int
    seconds : float
        That it may take, beginning now.
    task : str
    seed : int
    bagged : bool
        Whether on all: the fold then stands for one part of the trees.
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
    """A fold that was fitted; its files are ``<name>-<fold>.model`` and ``.npz``."""

    seconds: float
    row_ms: float
    megabytes: float


def encode(task: Encode, folder: Path) -> Encoded:
    """Write the features of a table, and the encoder."""
    import numpy as np

    from lib.training.features import TableEncoder, target_array

    begun, worked = time.perf_counter(), time.process_time()
    X, y, X_test = pickle.loads((folder / "table.pkl").read_bytes())
    encoder = TableEncoder("trees", task.is_classification, task.seed, month_first=task.month_first)
    target = target_array(y, task.is_classification)
    F = np.ascontiguousarray(encoder.fit_transform(X, target))
    F_test = np.ascontiguousarray(encoder.transform(X_test))
    np.save(folder / "train.npy", F)
    np.save(folder / "test.npy", F_test)
    (folder / "encoder.pkl").write_bytes(pickle.dumps(encoder))
    (folder / "kinds.pkl").write_bytes(pickle.dumps(encoder.feature_kinds()))
    return Encoded(F.shape[1], (time.process_time() - worked) / max(time.perf_counter() - begun, 1e-6))


def fit(task: FitFold, folder: Path) -> Fitted:
    """FitRequest, let the model answer the rows of its fold and the test rows, and measure one row."""
    import numpy as np

    from lib.automl.trials.blend import Member
    from lib.automl.trials.families import BAGGED_FIT_FUNCTIONS, FIT_FUNCTIONS, FitRequest
    from lib.automl.trials.latency import measure_row_ms

    started = time.monotonic()
    F, F_test = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("train", "test"))
    labels = np.load(folder / "labels.npy")
    folds = np.load(folder / "folds.npy")
    kinds = pickle.loads((folder / "kinds.pkl").read_bytes())
    learns = (folds != task.fold) | task.bagged
    seen, unseen = np.flatnonzero(learns), np.flatnonzero(~learns)
    learnt, target, is_classification = np.asarray(F[seen]), labels[seen], task.task != "regression"
    present, watched, classes = None, unseen, 1
    if is_classification:
        present, target = np.unique(target, return_inverse=True)
        watched = unseen[np.isin(labels[unseen], present)]
        classes = int(labels.max()) + 1
    truth = labels[watched] if present is None else np.searchsorted(present, labels[watched])
    told = FitRequest(
        task.task,
        task.settings,
        len(seen),
        np.asarray(F[watched]),
        truth,
        kinds,
        task.seed + task.fold if task.bagged else task.seed,
        started + task.seconds,
    )
    if task.bagged:
        model, said = BAGGED_FIT_FUNCTIONS[task.family](learnt, target, told)
    else:
        model = None if present is not None and len(present) == 1 else FIT_FUNCTIONS[task.family](learnt, target, told)
    member = Member(model, None if present is None else present.tolist(), classes)
    seconds = time.monotonic() - started
    answers = {
        "unseen": member.predict_outputs(np.asarray(F[unseen])),
        "test": member.predict_outputs(np.asarray(F_test)),
    }
    if not all(np.isfinite(answer).all() for answer in answers.values()):
        raise ValueError("its predictions are no numbers")
    if task.bagged:
        answers["unseen"] = said
    row = np.asarray(F_test[:1])
    row_ms = measure_row_ms(lambda: member.predict_outputs(row))
    pickled = pickle.dumps(member)
    (folder / f"{task.name}-{task.fold}.model").write_bytes(pickled)
    np.savez(folder / f"{task.name}-{task.fold}.npz", **answers)
    return Fitted(seconds, row_ms, len(pickled) / 1e6)


def work(connection: Connection, folder: Path) -> None:
    """Answer tasks until the other side is gone; the first answer is this process's id."""
    tasks: queue.SimpleQueue = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                tasks.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)

    connection.send(os.getpid())
    threading.Thread(target=listen, daemon=True).start()
    while True:
        task = tasks.get()
        try:
            answer = encode(task, folder) if isinstance(task, Encode) else fit(task, folder)
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        connection.send(answer)


def main() -> None:
    """Fork a worker for each socket that comes."""
    channel, folder = socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])
    # Of what is imported here nothing may have started a thread: a fork has none but its own.
    for name in _IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are not waited for
    gc.freeze()
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not data:
            return
        if os.fork() == 0:
            try:
                channel.close()
                work(Connection(descriptors[0]), folder)
            finally:
                os._exit(1)
        os.close(descriptors[0])


if __name__ == "__main__":
    from lib.automl.trials import worker  # tasks name its classes, which are not those of __main__

    worker.main()
