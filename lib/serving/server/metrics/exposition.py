"""The text at ``/metrics``: what the router counts, and what the workers count in their files, added up.

All names begin with ``millrace_``. ``infra/monitoring`` has a dashboard and alert rules that use them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lib.scoring import value_counts
from lib.serving.server.connection_limit import ConnectionLimit
from lib.serving.server.metrics.drift import DriftMetrics
from lib.serving.server.metrics.request_counts import RequestCounts
from lib.serving.server.pool import WorkerPool
from lib.serving.server.traffic import Traffic

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The counts of the workers: name of the metric, description, and name of the label, by the kind of count.
_VALUE_METRICS = {
    value_counts.ROWS: ("millrace_rows", "Scored rows.", None),
    value_counts.MISSING: ("millrace_missing_values", "Missing values, by column.", "column"),
    "unseen_category": ("millrace_unseen_categories", "Categories that training lacks, by column.", "column"),
    "outside_training": (
        "millrace_values_outside_training",
        "Values outside the range of the training rows, by column.",
        "column",
    ),
    "outside_contract": (
        "millrace_values_outside_contract",
        "Values that the data contract forbids, by column.",
        "column",
    ),
    value_counts.PREDICTION: ("millrace_predictions", "Predictions, by class.", "class"),
    value_counts.PREDICTION_SUM: ("millrace_prediction_sum", "Sum of all predicted numbers.", None),
}


class EndpointCollector:
    """Collects the metrics of an endpoint, as `prometheus_client` calls for them.

    Parameters
    ----------
    traffic : Traffic
    counts : RequestCounts
    connections : ConnectionLimit
    request_log : mapping
        The state of the request log: numbers of requests that were ``sent`` and ``dropped``.
    drift : DriftMetrics
        The verdict of the last look at the requests.
    """

    def __init__(
        self,
        traffic: Traffic,
        counts: RequestCounts,
        connections: ConnectionLimit,
        request_log: Mapping[str, Any],
        drift: DriftMetrics,
    ):
        self._traffic, self._counts, self._connections = traffic, counts, connections
        self._request_log, self._drift = request_log, drift

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from self._request_metrics()
        yield from self._version_metrics()
        yield from self._value_metrics()
        yield from self._drift.collect()

    def _request_metrics(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "millrace_requests", "Answered scoring requests.", labels=["route", "version", "status"]
        )
        for (route, version, status), count in self._counts.requests.items():
            requests.add_metric([route, version, str(status)], count)
        yield requests
        latencies = HistogramMetricFamily(
            "millrace_request_seconds", "Latency of requests with status 200.", labels=["version"]
        )
        for version, histogram in self._counts.latencies.items():
            latencies.add_metric([version], histogram.cumulative(), histogram.sum_seconds)
        yield latencies
        rejected = CounterMetricFamily(
            "millrace_rejected", "Requests and connections that the endpoint refused.", labels=["reason"]
        )
        for reason, count in self._connections.refusal_counts.items():
            rejected.add_metric([reason.replace(" ", "_")], count)
        yield rejected
        yield GaugeMetricFamily("millrace_connections", "Open connections.", len(self._connections))
        logged = CounterMetricFamily(
            "millrace_logged_requests", "Requests sent to the request log, or dropped.", labels=["result"]
        )
        for result in ("sent", "dropped"):
            logged.add_metric([result], self._request_log.get(result, 0))
        yield logged

    def _version_metrics(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        labels = ["version"]
        information = GaugeMetricFamily("millrace_version", "Deployed versions.", labels=["version", "role", "model"])
        share = GaugeMetricFamily("millrace_traffic_percent", "Share of the requests of a version.", labels=labels)
        workers = GaugeMetricFamily("millrace_workers", "Running workers.", labels=labels)
        waiting = GaugeMetricFamily("millrace_queue", "Requests that wait for a worker.", labels=labels)
        active = GaugeMetricFamily("millrace_requests_in_progress", "Requests that workers have.", labels=labels)
        deaths = CounterMetricFamily("millrace_worker_deaths", "Workers that died.", labels=labels)
        percent = self._traffic.rollout.percent if self._traffic.new is not None else 0.0
        for role, pool, pool_percent in (
            ("stable", self._traffic.stable, 100 - percent),
            ("new", self._traffic.new, percent),
        ):
            if pool is None:
                continue
            information.add_metric([pool.version, role, pool.name], 1)
            share.add_metric([pool.version], pool_percent)
            workers.add_metric([pool.version], len(pool.pids))
            waiting.add_metric([pool.version], pool.waiting_count)
            active.add_metric([pool.version], pool.active_count)
            deaths.add_metric([pool.version], pool.deaths)
        yield from (information, share, workers, waiting, active, deaths)
        watch = self._traffic.watch
        mirrored = CounterMetricFamily(
            "millrace_mirrored_requests", "Copies of requests to a new version, by its answer.", labels=["answer"]
        )
        mirrored.add_metric(["same"], watch.agreed)
        mirrored.add_metric(["different"], watch.mirrored - watch.agreed)
        yield mirrored

    def _value_metrics(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        families: dict[str, Any] = {}
        for kind, (name, description, label) in _VALUE_METRICS.items():
            # A sum of predictions may fall, which a counter may not.
            family = GaugeMetricFamily if kind == value_counts.PREDICTION_SUM else CounterMetricFamily
            families[kind] = family(name, description, labels=["version", *([label] if label else [])])
        for pool in self._pools():
            for (kind, label_value), count in pool.read_value_counts().items():
                if kind in families:
                    labels = [pool.version, *([label_value] if _VALUE_METRICS[kind][2] else [])]
                    families[kind].add_metric(labels, count)
        yield from families.values()

    def _pools(self) -> list[WorkerPool]:
        pools = {pool.version: pool for pool in (self._traffic.new, self._traffic.stable) if pool is not None}
        return list(pools.values())


def render(collector: EndpointCollector) -> bytes:
    """Return the metrics as text."""
    from prometheus_client.exposition import generate_latest

    return generate_latest(collector)
