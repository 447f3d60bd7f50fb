"""A check that is repeated as long as its owner lives, whatever errors it meets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("lib.serving")


class Watchdog:
    """Repeats a check. An error of the check is logged and reported, and the next check is made all the same.

    Parameters
    ----------
    name : str
        What is checked, for the log.
    check : callable
        Coroutine function without arguments.
    interval_seconds : float
        Pause after a check.
    max_interval_seconds : float, optional
        Longest pause. After each failed check the pause is doubled up to it; by default, the pause stays the same.

    Attributes
    ----------
    trouble : str
        The error of the latest check; empty if it succeeded.
    """

    def __init__(
        self,
        name: str,
        check: Callable[[], Awaitable[None]],
        interval_seconds: float,
        max_interval_seconds: float | None = None,
    ):
        self.name = name
        self.trouble = ""
        self._check = check
        self._interval_seconds = interval_seconds
        self._max_interval_seconds = max_interval_seconds or interval_seconds

    async def run(self) -> None:
        """Repeat the check until the task of this coroutine is cancelled."""
        pause_seconds = self._interval_seconds
        while True:
            await asyncio.sleep(pause_seconds)
            await self.check_once()
            is_well = not self.trouble
            pause_seconds = self._interval_seconds if is_well else min(2 * pause_seconds, self._max_interval_seconds)

    async def check_once(self) -> None:
        """Make one check, and set `trouble`."""
        try:
            await self._check()
            self.trouble = ""
        except Exception as error:
            message = f"{self.name}: {str(error) or repr(error)}"
            # The first time with the traceback, which would fill the log if it came every second.
            log.error("%s", message, exc_info=message != self.trouble)
            self.trouble = message
