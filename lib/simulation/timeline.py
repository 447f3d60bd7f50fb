"""The timeline of a simulation: what was done, what the system did, and which promises held."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

SIMULATION, SYSTEM = "simulation", "system"


@dataclass(frozen=True)
class Event:
    """Something that happened in a simulation.

    Attributes
    ----------
    time : datetime
        UTC.
    actor : str
        `SIMULATION` for what was done to the system, `SYSTEM` for what the system did.
    text : str
        A sentence.
    """

    time: datetime.datetime
    actor: str
    text: str


@dataclass(frozen=True)
class Check:
    """A promise, and whether it held.

    Attributes
    ----------
    promise : str
        What the system promises, as a sentence.
    observed : str
        What it did.
    is_held : bool
    """

    promise: str
    observed: str
    is_held: bool


class Timeline:
    """The events and checks of a simulation, in the order of time.

    Parameters
    ----------
    report : callable, optional
        Called with each event as a line of text, at once.

    Attributes
    ----------
    events : list of Event
    checks : list of Check

    Examples
    --------
    >>> timeline = Timeline()
    >>> timeline.did("Killed a worker.")
    >>> timeline.saw("A new worker answers.")
    >>> timeline.check("No request fails.", True, "All 500 requests were answered.")
    >>> timeline.is_held, [event.actor for event in timeline.events]
    (True, ['simulation', 'system'])
    """

    def __init__(self, report: Callable[[str], object] = lambda line: None):
        self._report = report
        self.events: list[Event] = []
        self.checks: list[Check] = []

    def did(self, text: str) -> None:
        """Add something that was done to the system."""
        self._add(SIMULATION, text)

    def saw(self, text: str) -> None:
        """Add something that the system did."""
        self._add(SYSTEM, text)

    def check(self, promise: str, is_held: bool, observed: str) -> None:
        """Add a promise, what was observed, and whether the promise held."""
        self.checks.append(Check(promise, observed, is_held))
        self._report(f"{'held' if is_held else 'BROKEN'}: {promise} Observed: {observed}")

    @property
    def is_held(self) -> bool:
        """Whether there are checks, and all promises held."""
        return bool(self.checks) and all(check.is_held for check in self.checks)

    def _add(self, actor: str, text: str) -> None:
        event = Event(datetime.datetime.now(datetime.UTC), actor, text)
        self.events.append(event)
        self._report(f"{event.time:%H:%M:%S} {actor}: {text}")
