"""The distribution of requests between two versions: the stable one and, during a rollout, the new one.

A version starts without traffic (`start`), is checked by the deployer, and then gets its share (`shift`). Until it has
had all traffic for a while, the stable version stays ready: it answers requests on which the new one fails, and takes
all traffic back on request (`roll_back`) or when the new version exceeds a limit.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, NamedTuple

from lib.scoring.model import Model
from lib.scoring.request_error import RequestError
from lib.scoring.wire_protocol import Answer
from lib.serving.rollout import Rollout, Watch
from lib.serving.server.pool import WorkerPool

log = logging.getLogger("lib.serving")
MAX_MIRRORED = 32  # requests at the same time
MAX_EVENTS = 20
MAX_DEAD_CHECKS = 10  # consecutive calls of `check`, one every second or two
_NOT_READY = "No version of the model is ready."


class TimedAnswer(NamedTuple):
    """An answer, the version that gave it, and its latency."""

    answer: Answer
    pool: WorkerPool
    seconds: float


class Traffic:
    """The versions of an endpoint and their shares of the traffic.

    Parameters
    ----------
    on_change : callable
        Called after every change; saves the state.

    Attributes
    ----------
    stable : WorkerPool or None
        The version that answers the requests that the new version does not get.
    new : WorkerPool or None
        The version of a rollout. Once it has all traffic, the stable one stays ready for a while.
    previous : dict or None
        Description of the version before the stable one, from which it can be started again; see `describe_pool`.
    rollout : Rollout
        Share and limits of the new version.
    watch : Watch
        Counts of the new version.
    events : list of str
        Descriptions of the latest changes, newest last.
    """

    def __init__(self, on_change: Callable[[], None]):
        self.stable: WorkerPool | None = None
        self.new: WorkerPool | None = None
        self.previous: dict[str, Any] | None = None
        self.rollout = Rollout(percent=0)
        self.watch = Watch(self.rollout)
        self.events: list[str] = []
        self._shifted_at = 0.0
        self._on_change = on_change
        self._tasks: set[asyncio.Task] = set()
        self._running_mirrors = 0
        self._dead_checks = 0

    @property
    def leading(self) -> WorkerPool | None:
        """The version with most of the traffic."""
        return self.new if self.new is not None and self.rollout.percent >= 50 else self.stable

    def find_leading(self) -> tuple[WorkerPool, Model]:
        """Return the version with most of the traffic, and its model.

        Raises
        ------
        RequestError
            With status 503 if no version is ready.
        """
        pool = self.leading
        if pool is None or pool.model is None:
            raise RequestError(503, "not_ready", _NOT_READY)
        return pool, pool.model

    def find_pool(self, deployment: str) -> WorkerPool:
        """Return the version of a deployment, even if it gets no share of the traffic.

        Raises
        ------
        RequestError
            With status 404 if there is no such deployment.
        """
        for pool in (self.new, self.stable):
            if pool is not None and pool.folder.name == deployment:
                return pool
        raise RequestError(404, "no_deployment", f"There is no deployment {deployment[:100]!r} of this endpoint.")

    async def score(self, body: bytes, deployment: str | None = None) -> TimedAnswer:
        """Answer a request with the version of a deployment, by default with one drawn by the versions' shares."""
        if deployment is not None:
            return await _answer(self.find_pool(deployment), body)
        new, rollout = self.new, self.rollout
        if new is not None and (new.has_worker or self.stable is None) and 100 * random.random() < rollout.percent:
            answer = await _answer(new, body)
            self._watch_answer(new, answer)
            if not (answer.answer.model_failed and self.stable is not None):
                return answer
        if self.stable is None:
            raise RequestError(503, "not_ready", _NOT_READY)
        answer = await _answer(self.stable, body)
        if new is not None and rollout.mirror and 100 * random.random() < rollout.mirror:
            self._mirror(new, body, answer.answer)
        return answer

    async def start(self, pool: WorkerPool) -> None:
        """Start a version without traffic, in place of a version that is being rolled out.

        Raises
        ------
        LoadError
            If it does not start.
        """
        if self.new is not None and self.rollout.percent >= 100:
            await self._make_stable(self.new)
        elif self.new is not None:
            await self.take_down(self.new, "another version is deployed")
        await pool.start()
        self.new, self.rollout = pool, Rollout(percent=0)
        self.watch = Watch(self.rollout)

    async def take_down(self, pool: WorkerPool, reason: str) -> None:
        """Stop a version that has not become stable, once it has answered its requests."""
        if self.new is pool:
            self.new, self.rollout = None, Rollout(percent=0)
            self._add_event(f"version {pool.version} was taken down: {reason}")
        await pool.end()

    async def shift(self, rollout: Rollout) -> None:
        """Give the new version its share of the traffic; without a stable version, it becomes the stable one.

        Raises
        ------
        RequestError
            With status 409 if there is no new version.
        """
        if self.new is None:
            raise RequestError(409, "no_new_version", "There is no new version that traffic could go to. Deploy one.")
        before = self.stable, self.new, self.rollout, self.watch, self._shifted_at
        if self.stable is None:
            self.stable, self.new, rollout = self.new, None, replace(rollout, percent=0, mirror=0)
            self._add_event(f"version {self.stable.version} is live")
        else:
            self._add_event(
                f"version {self.new.version} gets {rollout.percent:g} % of the requests and copies of "
                f"{rollout.mirror:g} % of the others"
            )
        self.rollout, self.watch, self._shifted_at = rollout, Watch(rollout), time.time()
        try:
            self._on_change()
        except OSError:  # a full disk: what the endpoint's record does not name must not become live
            self.stable, self.new, self.rollout, self.watch, self._shifted_at = before
            raise

    async def roll_back(self, reason: str, make_pool: Callable[[dict[str, Any]], WorkerPool]) -> None:
        """Give all traffic back to the version before, which is started again if it has been stopped.

        Parameters
        ----------
        reason : str
        make_pool : callable
            Makes a worker pool from a description; see `describe_pool`.

        Raises
        ------
        RequestError
            With status 409 if there is no version to go back to.
        """
        if self.new is not None:
            await self.take_down(self.new, reason)
        elif self.previous is not None and self.stable is not None:
            pool, replaced = make_pool(self.previous), self.stable
            await pool.start()
            self.previous, self.stable = describe_pool(replaced), pool
            self._add_event(f"version {replaced.version} was rolled back to version {pool.version}: {reason}")
            await replaced.end()
        else:
            raise RequestError(409, "no_version_before", "There is no earlier version to go back to.")
        self._on_change()

    async def check(self) -> None:
        """Take down a new version whose processes stay dead; end the rollout once its watch time is over."""
        if self.new is None:
            return
        self._dead_checks = 0 if self.new.has_worker else self._dead_checks + 1
        if self._dead_checks >= MAX_DEAD_CHECKS:
            await self._withdraw(self.new, "its processes died and could not be restarted")
        elif self.rollout.percent >= 100 and time.time() - self._shifted_at > 60 * self.rollout.watch_minutes:
            await self._make_stable(self.new)

    async def end(self, patience_seconds: float) -> None:
        """Stop all versions once they have answered their requests, or after the patience at the latest."""
        await asyncio.gather(*(pool.end(patience_seconds) for pool in (self.new, self.stable) if pool is not None))

    async def _make_stable(self, pool: WorkerPool) -> None:
        """Make the new version the stable one, and stop the version that was stable."""
        replaced, self.stable, self.new = self.stable, pool, None
        self.rollout = Rollout(percent=0)
        if replaced is None:
            self._on_change()
            return
        self.previous = describe_pool(replaced)
        self._add_event(f"version {pool.version} is now the stable one; version {replaced.version} was stopped")
        self._on_change()
        await replaced.end()

    def _watch_answer(self, pool: WorkerPool, answer: TimedAnswer) -> None:
        """Record an answer of the new version; withdraw that version if it exceeds a limit."""
        if pool is not self.new:
            return
        reason = self.watch.record(answer.seconds, answer.answer.model_failed)
        if reason and self.stable is not None:
            self._start_task(self._withdraw(pool, reason))
            self.rollout = replace(self.rollout, percent=0, mirror=0)

    async def _withdraw(self, pool: WorkerPool, reason: str) -> None:
        """Take a version down and save the state."""
        await self.take_down(pool, reason)
        self._on_change()

    def _mirror(self, new: WorkerPool, body: bytes, stable_answer: Answer) -> None:
        """Send a copy of a request to the new version, and compare its predictions with the stable version's."""
        if self._running_mirrors >= MAX_MIRRORED:
            return
        self._running_mirrors += 1

        async def compare() -> None:
            try:
                timed = await _answer(new, body)
            finally:
                self._running_mirrors -= 1
            self.watch.mirrored += 1
            self.watch.agreed += _predictions(timed.answer.content) == _predictions(stable_answer.content)
            # If the stable version failed as well, the request is the cause.
            if not stable_answer.model_failed:
                self._watch_answer(new, timed)

        self._start_task(compare())

    def _add_event(self, event: str) -> None:
        log.info("Traffic: %s.", event)
        self.events = [*self.events, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {event}"][-MAX_EVENTS:]

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # asyncio itself holds only a weak reference
        task.add_done_callback(self._tasks.discard)


def describe_pool(pool: WorkerPool) -> dict[str, Any]:
    """Return a description of a pool's version, from which it can be started again."""
    return {
        "deployment": pool.folder.name,
        "model_name": pool.name,
        "version": pool.version,
        "sha256": pool.sha256,
        "engine": pool.engine,
        "about": pool.about,
    }


async def _answer(pool: WorkerPool, body: bytes) -> TimedAnswer:
    """Answer a request with a version, and measure the latency."""
    started_at = time.perf_counter()
    answer = await pool.submit(body)
    return TimedAnswer(answer, pool, time.perf_counter() - started_at)


def _predictions(content: bytes) -> bytes:
    """Return the start of an answer, up to the model's version, which differs between versions."""
    return content.rpartition(b',"model":')[0]
