"""The primary metric in each window: realised where labels have come, and estimated from the rows alone."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Interval:
    """A value with its interval.

    Attributes
    ----------
    value : float
    low, high : float
        Both ends of the 95 % interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class WindowScore:
    """The primary metric of the rows of a window.

    Attributes
    ----------
    start, end : datetime
        UTC; the end is exclusive.
    rows : int
    labelled : int
        Number of rows whose label has come.
    realised : Interval or None
        From the labels; None with too few.
    estimate : Interval or None
        From the rows alone; None with too few.
    """

    start: datetime.datetime
    end: datetime.datetime
    rows: int
    labelled: int = 0
    realised: Interval | None = None
    estimate: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the score as JSON types."""
        return {**asdict(self), "start": self.start.isoformat(), "end": self.end.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WindowScore:
        """Return the score that `to_dict` described."""
        start, end = (datetime.datetime.fromisoformat(values[name]) for name in ("start", "end"))
        realised, estimate = (
            Interval(**values[name]) if values[name] is not None else None for name in ("realised", "estimate")
        )
        return cls(start, end, values["rows"], values["labelled"], realised, estimate)
