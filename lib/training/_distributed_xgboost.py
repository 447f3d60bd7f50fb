"""XGBoost on a table in several files (parts): each worker of a Dask cluster reads its parts one at a time.

`xgboost.dask.train` needs all features in the workers' memory, 4 bytes per value, while it sorts them into bins, and
Dask terminates workers that run out of memory. Here, each worker passes XGBoost an iterator that reads one part at a
time. Only the bins stay in memory, one or two bytes per value. XGBoost iterates over the parts four times, so the
worker caches the encoded parts on its disk.

The workers train together through `xgboost.dask.CommunicatorContext`. If one of them dies, training restarts.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from xgboost.tracker import RabitTracker

from lib.errors import StageError

_MAX_ATTEMPTS = 4
# How long to wait until the cluster has replaced its dead workers.
_REPLACEMENT_SECONDS = 120
# How long to wait until the scheduler notices that a worker is dead.
_DEATH_NOTICE_SECONDS = 10
_POLL_SECONDS = 0.2
# Workers wait for each other at each step, and the first step, reading all parts, may take hours. A dead worker does
# not need this timeout: XGBoost notices the closed connection.
_STEP_TIMEOUT_SECONDS = 24 * 3600
# How long the workers may take to end after the tracker has stopped.
_END_TIMEOUT_SECONDS = 60
# The running trackers by name of the training; filled in the process of the scheduler only.
_TRACKERS: dict[str, RabitTracker] = {}


@dataclass(frozen=True)
class Training:
    """The settings of one training of a booster.

    Attributes
    ----------
    encode_part : callable
        Takes the path of a part, and returns its features, of shape (rows, features), and labels, of shape (rows,).
        Called on the workers.
    settings : mapping
        XGBoost's parameters.
    rounds : int
        Number of boosting rounds.
    """

    encode_part: Callable[[str], tuple[np.ndarray, np.ndarray]]
    settings: Mapping[str, Any]
    rounds: int


def train_booster(client: Any, parts: Sequence[str], training: Training) -> bytes:
    """Train a booster on all parts, by all workers together.

    Parameters
    ----------
    client : distributed.Client
    parts : sequence of str
        Files that all workers can read.
    training : Training

    Returns
    -------
    bytes
        The booster, as `xgboost.Booster.save_raw` returns it.

    Raises
    ------
    StageError
        If a worker dies in each attempt.
    """
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        workers = _list_workers(client)
        try:
            return _train_once(client, workers[: len(parts)], parts, training)  # each worker needs a part
        except Exception as error:  # a dead worker causes different errors in XGBoost, Dask and the network
            if not _has_lost_worker(client, workers):
                raise
            if attempt == _MAX_ATTEMPTS:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise StageError(
                    f"A worker of the Dask cluster died in each of {_MAX_ATTEMPTS} attempts to train ({reason}). "
                    "Together, the workers need memory for the binned table, 2 bytes per value: add workers or memory."
                ) from error
        with contextlib.suppress(TimeoutError):  # continue with the remaining workers
            client.wait_for_workers(len(workers), timeout=_REPLACEMENT_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def _train_once(client: Any, workers: Sequence[str], parts: Sequence[str], training: Training) -> bytes:
    """Train a booster on the given workers together; if a worker fails, raise its error."""
    from distributed import MultiLock, as_completed, wait

    name = f"train-booster-{uuid.uuid4().hex}"
    with MultiLock([*workers], client=client):  # two simultaneous trainings would wait for each other's workers
        communicator = _start_tracker(client, name, len(workers))
        [shared_training] = client.scatter([training], broadcast=True)
        tasks = [
            client.submit(
                _train_on_worker,
                worker,
                parts[index :: len(workers)],
                shared_training,
                communicator,
                key=f"{name}-{index}",
                workers=[worker],
                # Otherwise, the task of a dead worker would wait forever. Another worker that gets it raises an error.
                allow_other_workers=True,
            )
            for index, worker in enumerate(workers)
        ]
        try:
            for task in as_completed(tasks):
                if task.status != "finished":
                    break  # the other workers would wait for this one
        finally:
            client.run_on_scheduler(_stop_tracker_on_scheduler, name)
            with contextlib.suppress(TimeoutError, CancelledError):
                wait(tasks, timeout=_END_TIMEOUT_SECONDS)
    results = [task.result(timeout=_END_TIMEOUT_SECONDS) for task in sorted(tasks, key=_error_priority)]
    return next(result for result in results if result)


def _error_priority(task: Any) -> tuple[bool, bool]:
    """Return a sort key that puts failed tasks first, and among them the one with the most informative error.

    An error of XGBoost may only say that the connection to another worker broke, so other errors come before it.
    """
    is_xgboost_error = task.status == "error" and isinstance(task.exception(), xgboost.core.XGBoostError)
    return task.status == "finished", is_xgboost_error


def _start_tracker(client: Any, name: str, worker_count: int) -> dict[str, Any]:
    """Start XGBoost's tracker, and return the arguments with which workers connect to it."""
    from distributed.comm import get_address_host

    host = get_address_host(client.scheduler.address)
    arguments = client.run_on_scheduler(_start_tracker_on_scheduler, name, worker_count, host)
    return arguments | {"dmlc_timeout": _STEP_TIMEOUT_SECONDS}


def _start_tracker_on_scheduler(name: str, worker_count: int, host: str) -> dict[str, Any]:
    """Start the tracker in the process of the scheduler, which all workers can reach."""
    try:
        tracker = RabitTracker(worker_count, host_ip=None, sortby="task")  # XGBoost guesses this machine's address
        tracker.start()
    except xgboost.core.XGBoostError:
        tracker = RabitTracker(worker_count, host_ip=host, sortby="task")
        tracker.start()
    _TRACKERS[name] = tracker
    return tracker.worker_args()


def _stop_tracker_on_scheduler(name: str) -> None:
    """Stop the tracker, so that the remaining workers no longer wait for a lost worker."""
    with contextlib.suppress(xgboost.core.XGBoostError):  # raised if workers are still connected
        _TRACKERS.pop(name).free()


def _train_on_worker(
    worker_address: str, parts: Sequence[str], training: Training, communicator: Mapping[str, Any]
) -> bytes | None:
    """Train on one worker's parts, together with all workers; return the booster on the first worker, else None."""
    from distributed import get_worker
    from xgboost.dask import CommunicatorContext

    this_worker = get_worker()
    if this_worker.address != worker_address:
        raise RuntimeError(f"the worker {worker_address} is gone")
    threads = this_worker.state.nthreads
    with CommunicatorContext(**communicator), xgboost.config_context(nthread=threads):
        with tempfile.TemporaryDirectory(dir=this_worker.local_directory) as folder:
            iterator = _PartIterator(parts, training.encode_part, Path(folder))
            table = xgboost.QuantileDMatrix(iterator, nthread=threads)
        booster = xgboost.train({**training.settings, "nthread": threads}, table, num_boost_round=training.rounds)
        return bytes(booster.save_raw("json")) if xgboost.collective.get_rank() == 0 else None


class _PartIterator(xgboost.DataIter):
    """Iterator over encoded parts, which are cached in a folder.

    Parameters
    ----------
    parts : sequence of str
    encode_part : callable
        See `Training`.
    folder : Path
        An empty folder for the encoded parts.
    """

    def __init__(self, parts: Sequence[str], encode_part: Callable[[str], tuple[np.ndarray, np.ndarray]], folder: Path):
        super().__init__()
        self._parts, self._encode_part, self._folder, self._position = parts, encode_part, folder, 0

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Pass the next part to XGBoost; return False after the last one."""
        if self._position == len(self._parts):
            return False
        files = [self._folder / f"{self._position}-{name}.npy" for name in ("features", "labels")]
        if not files[-1].exists():
            for file, array in zip(files, self._encode_part(self._parts[self._position]), strict=True):
                np.save(file, array)
        features, labels = map(np.load, files)
        input_data(data=features, label=labels)
        self._position += 1
        return True

    def reset(self) -> None:
        """Start again from the first part."""
        self._position = 0


def _list_workers(client: Any) -> list[str]:
    """Return the addresses of all workers."""
    return sorted(client.scheduler_info(n_workers=-1)["workers"])


def _has_lost_worker(client: Any, workers: Sequence[str]) -> bool:
    """Return whether the scheduler has lost a worker, after giving it time to notice."""
    deadline = time.monotonic() + _DEATH_NOTICE_SECONDS
    while set(workers) <= set(_list_workers(client)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
