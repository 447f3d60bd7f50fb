"""Counts and latencies of requests, by route, version and status."""

from __future__ import annotations

import bisect

# Upper bounds in seconds of the buckets of the latency histogram.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """A histogram of latencies.

    Attributes
    ----------
    counts : list of int
        Number of latencies in each bucket, and beyond the last one.
    sum_seconds : float
        Sum of all latencies.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Add a latency."""
        self.counts[bisect.bisect_left(BUCKETS, seconds)] += 1
        self.sum_seconds += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """Return the buckets as Prometheus counts them: upper bound, and number of latencies up to it.

        >>> histogram = Histogram()
        >>> histogram.observe(0.004)
        >>> histogram.cumulative()[1:4]
        [('0.0025', 0), ('0.005', 1), ('0.01', 1)]
        """
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], self.counts, strict=True):
            total += count
            buckets.append((bound, total))
        return buckets


class RequestCounts:
    """The requests of an endpoint since its router started.

    Attributes
    ----------
    requests : dict of (str, str, int) to int
        Number of answered requests by route, version and status.
    latencies : dict of str to Histogram
        Latencies of requests with status 200 by version.
    """

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = {}
        self.latencies: dict[str, Histogram] = {}

    def record(self, route: str, version: str, status: int, seconds: float) -> None:
        """Record an answered request."""
        key = route, version, status
        self.requests[key] = self.requests.get(key, 0) + 1
        if status == 200:
            histogram = self.latencies.get(version)
            if histogram is None:
                histogram = self.latencies[version] = Histogram()
            histogram.observe(seconds)
