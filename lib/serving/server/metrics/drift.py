"""The verdict of the last look at an endpoint's requests, which `run_all.py monitor` writes into its folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger("lib.serving")
# In the endpoint's folder; the keys are those of `monitor.json` in docs/monitoring.md.
VERDICT_FILE = "monitor.json"


class DriftMetrics:
    """Metrics of the last look.

    Parameters
    ----------
    path : Path or None
        The file of the verdict. Without the file, there are no metrics.
    """

    def __init__(self, path: Path | None):
        self._path = path
        self._trouble = ""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; none if the file cannot be read, which the log tells once."""
        try:
            metrics = self._read()
            self._trouble = ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            metrics = []
            if repr(error) != self._trouble:
                self._trouble = repr(error)
                log.warning("%s cannot be read, so there are no drift metrics: %r", self._path, error)
        yield from metrics

    def _read(self) -> list[Metric]:
        if self._path is None or not self._path.exists():
            return []
        return _make_metrics(json.loads(self._path.read_text(encoding="utf-8")), self._path.stat().st_mtime)


def _make_metrics(verdict: dict[str, Any], looked_at: float) -> list[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    version = str(verdict["version"])
    looked = GaugeMetricFamily("millrace_drift_look_timestamp_seconds", "Time of the last look.", labels=["version"])
    state = GaugeMetricFamily("millrace_drift_state", "Verdict of the last look.", labels=["version", "state"])
    columns = GaugeMetricFamily("millrace_drifted_columns", "Columns that have drifted.", labels=["version"])
    evidence = GaugeMetricFamily(
        "millrace_drift_evidence", "Evidence of a drift, by drifted column.", labels=["version", "column", "kind"]
    )
    looked.add_metric([version], looked_at)
    state.add_metric([version, str(verdict["state"])], 1)
    columns.add_metric([version], len(verdict["drifted"]))
    for drift in verdict["drifted"]:
        evidence.add_metric([version, str(drift["column"]), str(drift["kind"])], float(drift["evidence"]))
    return [looked, state, columns, evidence]
