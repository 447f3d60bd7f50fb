"""Which version answers a request: the stable one, and beside it, while there is one, the new one.

A version comes up without traffic (`bring_up`), is asked by whoever deploys, and is then given its share (`shift`).
Until it has had all of it for a while, the stable version stands by: it answers what the new one fails on, and gets
everything back, by hand (`roll_back`) or by itself where a limit is broken.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from lib.scoring.request_error import RequestError
from lib.scoring.wire_protocol import Answer
from lib.serving.rollout import Rollout, Watch
from lib.serving.server.pool import Pool

log = logging.getLogger("lib.serving")
MOST_MIRRORED = 32
MOST_EVENTS = 20
# `look_after` is called every second or two.
MOST_DEAD_LOOKS = 10


class Answered(NamedTuple):
    """An answer, by whom, and how long it took."""

    answer: Answer
    pool: Pool
    seconds: float


class Traffic:
    """The versions of an endpoint and what each gets.

    Parameters
    ----------
    changed : callable
        Called after every change, to write it down.

    Attributes
    ----------
    stable : Pool or None
        Answers what the new version does not get.
    new : Pool or None
        On its way in; with `percent` 100 it has all traffic, and the stable version stands by.
    previous : dict or None
        How to bring the version before the stable one up again.
    events : list of str
        What happened, newest last.
    """

    def __init__(self, changed: Callable[[], None]):
        self.stable: Pool | None = None
        self.new: Pool | None = None
        self.previous: dict[str, Any] | None = None
        self.rollout = Rollout(percent=0)
        self.watch = Watch(self.rollout)
        self.events: list[str] = []
        self.shifted = 0.0
        self._changed = changed
        self._tasks: set[asyncio.Task] = set()
        self._mirrored = 0
        self._dead_looks = 0

    @property
    def leading(self) -> Pool | None:
        """The version with most of the traffic."""
        return self.new if self.new is not None and self.rollout.percent >= 50 else self.stable

    def named(self, deployment: str) -> Pool:
        """Version of a deployment's name, whatever its share.

        Raises
        ------
        RequestError
            404 where there is none.
        """
        for pool in (self.new, self.stable):
            if pool is not None and pool.folder.name == deployment:
                return pool
        raise RequestError(404, "no_deployment", f"There is no deployment {deployment[:100]!r} of this endpoint.")

    async def score(self, body: bytes, deployment: str | None = None) -> Answered:
        """Answer a request, by the version that is named or the one whose turn it is."""
        if deployment is not None:
            return await _ask(self.named(deployment), body)
        new, rollout = self.new, self.rollout
        if new is not None and (new.is_up or self.stable is None) and 100 * random.random() < rollout.percent:
            answered = await _ask(new, body)
            self._note(new, answered)
            if not (answered.answer.model_failed and self.stable is not None):
                return answered
        if self.stable is None:
            raise RequestError(503, "not_ready", "No version of the model is ready.")
        answered = await _ask(self.stable, body)
        if new is not None and rollout.mirror and 100 * random.random() < rollout.mirror:
            self._mirror(new, body, answered.answer)
        return answered

    async def bring_up(self, pool: Pool) -> None:
        """Start a version without traffic, in place of another that was on its way in.

        Raises
        ------
        LoadError
        """
        if self.new is not None and self.rollout.percent >= 100:
            await self._settle()
        elif self.new is not None:
            await self.take_down(self.new, "another version is deployed")
        await pool.start()
        self.new, self.rollout = pool, Rollout(percent=0)
        self.watch = Watch(self.rollout)

    async def take_down(self, pool: Pool, why: str) -> None:
        """End a version that has not become the stable one; what it was asked is answered first."""
        if self.new is pool:
            self.new, self.rollout = None, Rollout(percent=0)
            self._say(f"version {pool.version} was taken down: {why}")
        await pool.end()

    async def shift(self, rollout: Rollout) -> None:
        """Give the new version its share."""
        if self.new is None:
            raise RequestError(409, "no_new_version", "There is no new version that traffic could go to. Deploy one.")
        if self.stable is None:
            self.stable, self.new, rollout = self.new, None, replace(rollout, percent=0, mirror=0)
            self._say(f"version {self.stable.version} is live")
        else:
            self._say(f"version {self.new.version} gets {rollout.percent:g} %, mirrored {rollout.mirror:g} %")
        self.rollout, self.watch, self.shifted = rollout, Watch(rollout), time.time()
        self._changed()

    async def roll_back(self, why: str, bring_back: Callable[[dict[str, Any]], Pool]) -> None:
        """Give all traffic back to the version before, at once where it stands by."""
        if self.new is not None:
            await self.take_down(self.new, why)
        elif self.previous is not None and self.stable is not None:
            pool, left = bring_back(self.previous), self.stable
            await pool.start()
            self.previous, self.stable = described(left), pool
            self._say(f"version {left.version} was rolled back to version {pool.version}: {why}")
            await left.end()
        else:
            raise RequestError(409, "no_version_before", "There is no version before this one to go back to.")
        self._changed()

    async def look_after(self) -> None:
        """Take a new version down that is dead, and let the stable one go once the new has had all for long enough."""
        if self.new is None:
            return
        self._dead_looks = 0 if self.new.is_up else self._dead_looks + 1
        if self._dead_looks >= MOST_DEAD_LOOKS:
            await self._back(self.new, "its processes died and do not come up again")
        elif self.rollout.percent >= 100 and time.time() - self.shifted > 60 * self.rollout.watch_minutes:
            await self._settle()

    async def end(self) -> None:
        """End all versions, after the requests under way."""
        await asyncio.gather(*(pool.end() for pool in (self.new, self.stable) if pool is not None))

    async def _settle(self) -> None:
        left, self.stable, self.new = self.stable, self.new, None
        self.rollout, self.previous = Rollout(percent=0), described(left)
        self._say(f"version {self.stable.version} is the stable one; version {left.version} no longer stands by")
        self._changed()
        await left.end()

    def _note(self, pool: Pool, answered: Answered) -> None:
        if pool is not self.new:
            return
        broken = self.watch.note(answered.seconds, answered.answer.model_failed)
        if broken and self.stable is not None:
            self._spawn(self._back(pool, broken))
            self.rollout = replace(self.rollout, percent=0, mirror=0)

    async def _back(self, pool: Pool, why: str) -> None:
        await self.take_down(pool, why)
        self._changed()

    def _mirror(self, new: Pool, body: bytes, given: Answer) -> None:
        if self._mirrored >= MOST_MIRRORED:
            return
        self._mirrored += 1

        async def ask() -> None:
            try:
                answered = await _ask(new, body)
            finally:
                self._mirrored -= 1
            self.watch.mirrored += 1
            # Each ends with the version it is from; before that stand the predictions.
            self.watch.agreed += _predictions(answered.answer.content) == _predictions(given.content)
            # What the stable version failed on as well is no fault of the new one.
            if not given.model_failed:
                self._note(new, answered)

        self._spawn(ask())

    def _say(self, event: str) -> None:
        log.info("Traffic: %s.", event)
        self.events = [*self.events, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {event}"][-MOST_EVENTS:]

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def described(pool: Pool) -> dict[str, Any]:
    """What it takes to bring a version up again."""
    return {
        "deployment": pool.folder.name,
        "model_name": pool.name,
        "version": pool.version,
        "sha256": pool.sha256,
        "form": pool.form,
    }


async def _ask(pool: Pool, body: bytes) -> Answered:
    started = time.perf_counter()
    answer = await pool.ask(body)
    return Answered(answer, pool, time.perf_counter() - started)


def _predictions(content: bytes) -> bytes:
    return content.rpartition(b',"model":')[0]
