"""The rollout of a new model version: its share of the traffic, and the limits that end it."""

from __future__ import annotations

import collections
from dataclasses import dataclass

WINDOW_ANSWERS = 500  # the limits apply to this many latest answers
MIN_ANSWERS = 20  # no limit applies before this many answers


@dataclass(frozen=True)
class Rollout:
    """A new version's share of the traffic, and its limits.

    Attributes
    ----------
    percent : float
        Percentage of the requests that the new version answers.
    mirror : float
        Percentage of the other requests of which the new version gets a copy. Its answers to copies are not used.
    max_error_rate : float
        Maximum share of failed answers of the new version, 0 to 1.
    p95_latency_ms : float
        Maximum 95th percentile of the new version's latencies.
    watch_minutes : float
        How long the previous version stays ready once the new one has all traffic.
    """

    percent: float = 100
    mirror: float = 0
    max_error_rate: float = 0.02
    p95_latency_ms: float = 1000
    watch_minutes: float = 10


class Watch:
    """Compares the latest answers of a new version with the limits of its rollout.

    Parameters
    ----------
    rollout : Rollout

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
        self._latencies: collections.deque[float] = collections.deque(maxlen=WINDOW_ANSWERS)
        self._failures: collections.deque[bool] = collections.deque(maxlen=WINDOW_ANSWERS)
        self.answers = 0
        self.mirrored = 0
        self.agreed = 0

    def record(self, latency_seconds: float, has_failed: bool) -> str | None:
        """Record an answer.

        Parameters
        ----------
        latency_seconds : float
        has_failed : bool
            Whether the model failed on valid rows.

        Returns
        -------
        str or None
            A description of the limit that is exceeded; None if no limit is.
        """
        self._latencies.append(latency_seconds)
        self._failures.append(has_failed)
        self.answers += 1
        count = len(self._latencies)
        if count < MIN_ANSWERS:
            return None
        max_error_rate = self._rollout.max_error_rate
        if has_failed and sum(self._failures) > max_error_rate * count:
            return (
                f"{sum(self._failures)} of its last {count} answers failed; the limit is {max_error_rate:.2%} "
                "(endpoint_max_error_rate)"
            )
        if self.answers % MIN_ANSWERS == 0:  # not for every answer, since sorting takes time
            p95_ms = 1000 * sorted(self._latencies)[int(0.95 * (count - 1))]
            if p95_ms > self._rollout.p95_latency_ms:
                return (
                    f"the 95th percentile of its last {count} latencies is {p95_ms:.0f} ms; the limit is "
                    f"{self._rollout.p95_latency_ms:g} ms (endpoint_p95_latency_ms)"
                )
        return None
