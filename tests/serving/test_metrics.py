"""The text at ``/metrics``, the dashboard and alert rules that use it, and the log of failed requests."""

import json
import logging
import os
import re
import signal
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lib.scoring.value_counts import ValueCounts, read_counts
from lib.serving.server.failure_log import MAX_PER_SECOND, FailureLog, JsonFormatter
from lib.serving.server.metrics.drift import VERDICT_FILE
from lib.serving.server.metrics.worker_counts import WorkerCounts
from tests.served_models import ROW, Client

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "infra/monitoring"
VERDICT = {"version": "3", "state": "act", "drifted": [{"column": "age", "kind": "mean", "evidence": 130.5}]}


@pytest.fixture(scope="module")
def live(models, endpoint):
    endpoint.deploy(models / "classifier", "3", model_name="flights-late", workers=2)
    return endpoint


def read_metrics(live, **headers):
    status, text, _ = Client(live.status().url).ask("/metrics", method="GET", **headers)
    assert status == 200
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name, *sorted(sample.labels.items())] = sample.value
    return samples


def growth(before, after, name, **labels):
    key = (name, *sorted(labels.items()))
    return after.get(key, 0) - before.get(key, 0)


def test_metrics_count_over_all_workers_and_their_deaths(live):
    client = Client(live.status().url, live.keys()["primary"])
    before = read_metrics(live)
    rows = [ROW, {**ROW, "age": 280}, ROW, {**ROW, "fare": None}]
    for _ in range(10):
        assert client.ask(body=json.dumps({"data": rows}))[0] == 200
    assert client.ask(body="{}")[0] == 400
    assert Client(live.status().url, "wrong").ask()[0] == 401
    os.kill(live.status().workers[0], signal.SIGKILL)
    deadline = time.monotonic() + 120
    while growth(before, after := read_metrics(live), "millrace_worker_deaths_total", version="3") < 1:
        assert time.monotonic() < deadline
    ok = {"route": "/score", "version": "3"}
    assert growth(before, after, "millrace_requests_total", **ok, status="200") == 10
    assert growth(before, after, "millrace_requests_total", **ok, status="400") == 1
    assert growth(before, after, "millrace_rejected_total", reason="no_key") == 1
    assert growth(before, after, "millrace_request_seconds_count", version="3") == 10
    assert growth(before, after, "millrace_rows_total", version="3") == 40
    assert growth(before, after, "millrace_missing_values_total", version="3", column="fare") == 10
    assert growth(before, after, "millrace_values_outside_training_total", version="3", column="age") == 10
    predictions = [key for key in after if key[0] == "millrace_predictions_total"]
    assert sum(after[key] - before.get(key, 0) for key in predictions) == 40
    assert after["millrace_traffic_percent", ("version", "3")] == 100
    assert after["millrace_queue", ("version", "3")] == 0


def test_metrics_need_the_key_from_other_machines(live):
    client = Client(live.status().url)
    assert client.ask("/metrics", method="GET", X_Forwarded_For="203.0.113.9")[0] == 401
    key = live.keys()["secondary"]
    assert read_metrics(live, X_Forwarded_For="203.0.113.9", Authorization=f"Bearer {key}")


def test_last_verdict_is_part_of_the_metrics(live):
    assert not [key for key in read_metrics(live) if "drift" in key[0]]
    (live.folder / VERDICT_FILE).write_text(json.dumps(VERDICT))
    metrics = read_metrics(live)
    assert metrics["millrace_drift_state", ("state", "act"), ("version", "3")] == 1
    assert metrics["millrace_drifted_columns", ("version", "3")] == 1
    assert metrics["millrace_drift_evidence", ("column", "age"), ("kind", "mean"), ("version", "3")] == 130.5
    (live.folder / VERDICT_FILE).write_text("{")
    assert not [key for key in read_metrics(live) if "drift" in key[0]], "a damaged file does not end the metrics"
    assert "cannot be read, so there are no drift metrics" in live.logs()
    (live.folder / VERDICT_FILE).unlink()


def test_failed_request_is_logged_with_its_id(live):
    client = Client(live.status().url, live.keys()["primary"])
    _, _, headers = client.ask(body="{}", x_request_id="find-me-7")
    assert headers["x-request-id"] == "find-me-7"
    deadline = time.monotonic() + 120  # the line is written after the answer
    while "find-me-7" not in live.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = [json.loads(line) for line in live.log.read_text().splitlines() if "find-me-7" in line]
    assert [(line["status"], line["route"], line["code"]) for line in lines] == [(400, "/score", "")]


def test_dashboard_and_alerts_use_metrics_that_exist(live):
    (live.folder / VERDICT_FILE).write_text(json.dumps(VERDICT))
    names = {key[0] for key in read_metrics(live)} | {"up"}
    names |= {f"{name[: -len('_count')]}_bucket" for name in names if name.endswith("_seconds_count")}
    used = set()
    for path in sorted(MONITORING.iterdir()):
        used |= set(re.findall(r"\bmillrace_\w+", path.read_text()))
    assert used and used <= names | {"millrace_endpoint"}, sorted(used - names)


def test_dashboard_is_complete_and_alerts_have_descriptions():
    import yaml

    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    assert all(panel["targets"][0]["expr"] and panel["title"] for panel in dashboard["panels"])
    (group,) = yaml.safe_load((MONITORING / "prometheus-alerts.yaml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["alert"] and rule["expr"] and rule["annotations"]["description"] and rule["labels"]["severity"]


def test_counts_survive_the_end_of_their_worker(tmp_path):
    for pid, prediction in ((1, 2.5), (2, -1.0)):
        counts = ValueCounts(tmp_path / str(pid), ["a", "b"], None)
        counts.add({"a": [None, 1], "b": [2, 3]}, [prediction, 0.0], [{"code": "unseen_category", "column": "b"}])
    worker_counts = WorkerCounts(tmp_path)
    worker_counts.end_worker(1)
    assert not (tmp_path / "1").exists()
    counts = worker_counts.read([2, 3])
    assert (counts["rows", ""], counts["missing", "a"], counts["missing", "b"]) == (4, 2, 0)
    assert (counts["unseen_category", "b"], counts["prediction_sum", ""]) == (2, 1.5)
    assert read_counts(tmp_path / "none") == {}


def test_failures_beyond_the_limit_are_counted(caplog, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    failures = FailureLog()
    with caplog.at_level(logging.WARNING, "lib.serving"):
        for _ in range(MAX_PER_SECOND + 5):
            failures.note(b"a", "/score", "1", 503, "too_busy", 0.1)
        clock[0] += 1
        failures.note(b"b", "/score", "1", 400, "", 0.1)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == MAX_PER_SECOND + 2 and messages[-2].startswith("5 further requests")
    line = json.loads(JsonFormatter().format(caplog.records[-1]))
    assert (line["request_id"], line["status"], line["level"]) == ("b", 400, "WARNING")
