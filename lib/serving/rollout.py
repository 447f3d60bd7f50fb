"""The rollout of a new model version: its share of the traffic, and the limits that end it."""

from __future__ import annotations

import collections
from dataclasses import dataclass

WINDOW_ANSWERS = 500  # the newest answers, which the limits apply to
MIN_ANSWERS = 20  # before any limit applies


@dataclass(frozen=True)
class Rollout:
    """A new version's share of the traffic, and its limits.

    Attributes
    ----------
    percent : float
        Share of the requests that the new version answers, 0 to 100.
    mirror : float
        Share of the other requests that are copied to it, its answers unused; 0 to 100.
    max_error_rate : float
        Largest share of its answers that may fail, 0 to 1.
    p95_latency_ms : float
        Limit for the 95th percentile of its latency.
    watch_minutes : float
        How long the previous version stays ready once the new one has all traffic.
    """

    percent: float = 100
    mirror: float = 0
    max_error_rate: float = 0.02
    p95_latency_ms: float = 1000
    watch_minutes: float = 10


class Watch:
    """Counts and limits of the newest answers of a version.

    Parameters
    ----------
    rollout : Rollout
        With the limits.

    Attributes
    ----------
    answers : int
        Number of answers so far.
    mirrored : int
        Number of mirrored requests.
    agreed : int
        Number of mirrored requests to which both versions gave the same predictions.
    """

    def __init__(self, rollout: Rollout):
        self._rollout = rollout
        self._seconds: collections.deque[float] = collections.deque(maxlen=WINDOW_ANSWERS)
        self._failed: collections.deque[bool] = collections.deque(maxlen=WINDOW_ANSWERS)
        self.answers = 0
        self.mirrored = 0
        self.agreed = 0

    def record(self, seconds: float, failed: bool) -> str | None:
        """Record an answer.

        Parameters
        ----------
        seconds : float
            Its latency.
        failed : bool
            Whether the model failed.

        Returns
        -------
        str or None
            The limit that is exceeded, and by how much.
        """
        self._seconds.append(seconds)
        self._failed.append(failed)
        self.answers += 1
        count = len(self._seconds)
        if count < MIN_ANSWERS:
            return None
        limit = self._rollout.max_error_rate
        if failed and sum(self._failed) > limit * count:
            return (
                f"{sum(self._failed)} of its last {count} answers failed; the limit is {limit:.2%} "
                "(endpoint_max_error_rate)"
            )
        if self.answers % MIN_ANSWERS == 0:  # not for every answer, since sorting takes time
            p95_ms = 1000 * sorted(self._seconds)[int(0.95 * (count - 1))]
            if p95_ms > self._rollout.p95_latency_ms:
                return (
                    f"the 95th percentile of its last {count} latencies is {p95_ms:.0f} ms; the limit is "
                    f"{self._rollout.p95_latency_ms:g} ms (endpoint_p95_latency_ms)"
                )
        return None
