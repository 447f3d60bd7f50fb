"""How a new version gets its traffic, and when it loses it again."""

from __future__ import annotations

import collections
from dataclasses import dataclass

# Of how many answers the limits speak, and how many there must be before they speak.
WINDOW = 500
FEWEST = 20


@dataclass(frozen=True)
class Rollout:
    """What a new version gets, and what it must keep to.

    Attributes
    ----------
    percent : float
        Of the requests, that it answers; 0 to 100.
    mirror : float
        Of the requests that the version before answers: those it is asked as well, its answers unused; 0 to 100.
    most_errors : float
        Share of its answers that may fail, 0 to 1.
    most_latency_ms : float
        What 95 % of its answers may take.
    watch_minutes : float
        How long the version before stands by once all traffic has left it.
    """

    percent: float = 100
    mirror: float = 0
    most_errors: float = 0.02
    most_latency_ms: float = 1000
    watch_minutes: float = 10


class Watch:
    """The newest answers of a version, held against the limits.

    Parameters
    ----------
    rollout : Rollout
        With the limits.
    """

    def __init__(self, rollout: Rollout):
        self._rollout = rollout
        self._seconds: collections.deque[float] = collections.deque(maxlen=WINDOW)
        self._failed: collections.deque[bool] = collections.deque(maxlen=WINDOW)
        self.answers = 0
        self.mirrored = 0
        self.agreed = 0

    def note(self, seconds: float, failed: bool) -> str | None:
        """Remember one answer.

        Returns
        -------
        str or None
            Which limit is broken, and how.
        """
        self._seconds.append(seconds)
        self._failed.append(failed)
        self.answers += 1
        count = len(self._seconds)
        if failed and count >= FEWEST and sum(self._failed) > self._rollout.most_errors * count:
            return (
                f"{sum(self._failed)} of its last {count} answers failed; {self._rollout.most_errors:.2%} may "
                "(endpoint_max_error_rate)"
            )
        if count >= FEWEST and self.answers % FEWEST == 0:  # not each time: it sorts
            slow = 1000 * sorted(self._seconds)[int(0.95 * (count - 1))]
            if slow > self._rollout.most_latency_ms:
                return (
                    f"5 % of its last {count} answers took {slow:.0f} ms or more; {self._rollout.most_latency_ms:g} "
                    "may be (endpoint_p95_latency_ms)"
                )
        return None
