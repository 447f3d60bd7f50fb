"""XGBoost on parts of a table that workers of a Dask cluster read, one part at a time.

`xgboost.dask.train` wants all features in the workers' memory, 4 bytes a value, while it sorts them into bins, and Dask
ends a worker that has too little. So each worker gives XGBoost an iterator instead, which reads a part, hands it over
and forgets it; what stays are the bins, a byte or two a value. XGBoost asks for each part four times, so it is kept
encoded on the worker's disk meanwhile.

The workers train together through `xgboost.dask.CommunicatorContext`, and go on together or not at all: where one dies,
they begin again.
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

_ATTEMPTS = 4
_RESTART_SECONDS, _NOTICE_SECONDS, _LOOK_SECONDS = 120, 10, 0.2
# A worker waits for all others at each step, the first of which is to read their parts. One that dies is noticed by its
# closed connection.
_STEP_SECONDS, _END_SECONDS = 24 * 3600, 60
_GROUPS: dict[str, RabitTracker] = {}


@dataclass(frozen=True)
class Fit:
    """What is to be learnt from each part.

    Attributes
    ----------
    encoded : callable
        Features, of shape (rows, width), and labels of the part in a file; called on workers.
    given : dict
        XGBoost's parameters.
    rounds : int
        Of boosting.
    """

    encoded: Callable[[str], tuple[np.ndarray, np.ndarray]]
    given: Mapping[str, Any]
    rounds: int


def boosted(client: Any, parts: Sequence[str], fit: Fit) -> bytes:
    """Fit to all parts, by all workers together.

    Parameters
    ----------
    client : distributed.Client
    parts : sequence of str
        Files that all workers can read.
    fit : Fit

    Returns
    -------
    bytes
        A booster's, as `xgboost.Booster.save_raw` gives them.

    Raises
    ------
    StageError
        Where workers die again and again.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        workers = _workers(client)
        try:
            return _together(client, workers[: len(parts)], parts, fit)  # one without a part could not take part
        except Exception as error:  # each layer between a dead worker and here has one of its own
            if not _has_lost_one_of(client, workers):
                raise
            if attempt == _ATTEMPTS:
                first = (str(error).splitlines() or [type(error).__name__])[0]
                raise StageError(
                    f"Workers of the Dask cluster died in each of {_ATTEMPTS} trainings ({first}). The table in bins, "
                    "2 bytes a value, has to fit into their memory together: add workers or memory."
                ) from error
        with contextlib.suppress(TimeoutError):  # with those that are left, then
            client.wait_for_workers(len(workers), timeout=_RESTART_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def _together(client: Any, workers: Sequence[str], parts: Sequence[str], fit: Fit) -> bytes:
    from distributed import MultiLock, as_completed, wait
    from distributed.comm import get_address_host

    name = f"boosted-{uuid.uuid4().hex}"
    with MultiLock([*workers], client=client):  # a second training would wait for a worker that waits for it
        host = get_address_host(client.scheduler.address)
        group = client.run_on_scheduler(_gather, name, len(workers), host) | {"dmlc_timeout": _STEP_SECONDS}
        [sent] = client.scatter([fit], broadcast=True)
        tasks = [
            client.submit(
                _of_worker,
                worker,
                parts[place :: len(workers)],
                sent,
                group,
                key=f"{name}-{place}",
                workers=[worker],
                # Where its worker is dead a task would wait for ever; on another it ends with an error.
                allow_other_workers=True,
            )
            for place, worker in enumerate(workers)
        ]
        try:
            for task in as_completed(tasks):
                if task.status != "finished":
                    break  # the others wait for it in vain
        finally:
            client.run_on_scheduler(_disperse, name)
            with contextlib.suppress(TimeoutError, CancelledError):
                wait(tasks, timeout=_END_SECONDS)

    def blame(task: Any) -> tuple[bool, bool]:
        # An error of XGBoost's may just say that another worker, which had the first error, is gone.
        is_of_group = task.status == "error" and isinstance(task.exception(), xgboost.core.XGBoostError)
        return task.status == "finished", is_of_group

    return next(filter(None, [task.result(timeout=_END_SECONDS) for task in sorted(tasks, key=blame)]))


def _gather(name: str, workers: int, host: str) -> dict[str, Any]:
    """What workers need to find each other; runs on the scheduler, which all of them reach."""
    try:
        tracker = RabitTracker(workers, host_ip=None, sortby="task")  # an address of this machine, by XGBoost's guess
        tracker.start()
    except xgboost.core.XGBoostError:
        tracker = RabitTracker(workers, host_ip=host, sortby="task")
        tracker.start()
    _GROUPS[name] = tracker
    return tracker.worker_args()


def _disperse(name: str) -> None:
    """End a group, and the waiting of workers for one that does not come any more."""
    with contextlib.suppress(xgboost.core.XGBoostError):  # which it raises where it still listens
        _GROUPS.pop(name).free()


def _of_worker(worker: str, parts: Sequence[str], fit: Fit, group: Mapping[str, Any]) -> bytes | None:
    """The model that all workers make together, of the first of them; runs on each."""
    from distributed import get_worker
    from xgboost.dask import CommunicatorContext

    here = get_worker()
    if here.address != worker:
        raise RuntimeError(f"the worker {worker} is gone")
    threads = here.state.nthreads
    with CommunicatorContext(**group), xgboost.config_context(nthread=threads):
        with tempfile.TemporaryDirectory(dir=here.local_directory) as folder:
            table = xgboost.QuantileDMatrix(_Parts(parts, fit.encoded, Path(folder)), nthread=threads)
        booster = xgboost.train({**fit.given, "nthread": threads}, table, num_boost_round=fit.rounds)
        return bytes(booster.save_raw("json")) if xgboost.collective.get_rank() == 0 else None


class _Parts(xgboost.DataIter):
    """Parts of a table, each encoded when XGBoost asks for it first, and then kept in a folder."""

    def __init__(self, parts: Sequence[str], encoded: Callable[[str], tuple[np.ndarray, np.ndarray]], folder: Path):
        super().__init__()
        self._parts, self._encoded, self._folder, self._place = parts, encoded, folder, 0

    def next(self, input_data: Callable) -> bool:
        """Hand over the next part; False where there is none."""
        if self._place == len(self._parts):
            return False
        kept = [self._folder / f"{self._place}-{what}.npy" for what in ("features", "labels")]
        if not kept[-1].exists():
            for file, values in zip(kept, self._encoded(self._parts[self._place]), strict=True):
                np.save(file, values)
        features, labels = map(np.load, kept)
        input_data(data=features, label=labels)
        self._place += 1
        return True

    def reset(self) -> None:
        """Begin again."""
        self._place = 0


def _workers(client: Any) -> list[str]:
    return sorted(client.scheduler_info(n_workers=-1)["workers"])


def _has_lost_one_of(client: Any, workers: Sequence[str]) -> bool:
    """Whether one is gone; the others may see its connections closed before the scheduler does."""
    ends = time.monotonic() + _NOTICE_SECONDS
    while set(workers) <= set(_workers(client)):
        if time.monotonic() > ends:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
