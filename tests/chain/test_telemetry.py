"""Events for Application Insights, received by a real web server of the test."""

import http.server
import json
import re
import threading
from pathlib import Path

import pytest

from lib.chain import notification, telemetry

ALERTS = (Path(__file__).parents[2] / "infra/alerts.tf").read_text()
MESSAGE = {"event": "act", "name": "flights", "run": "runs/m.html", "status": "act", "text": "drift", "stages": []}


class _Track(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.events.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        body = json.dumps(self.server.reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def insights(monkeypatch):
    """Start a server in place of Application Insights, and name it in the environment."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Track)
    server.events, server.reply = [], {"itemsReceived": 1, "itemsAccepted": 1, "errors": []}
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    text = f"InstrumentationKey=11111111-aaaa;IngestionEndpoint=http://127.0.0.1:{server.server_port}/;LiveEndpoint=x"
    monkeypatch.setenv(telemetry.VARIABLE, text)
    yield server
    server.shutdown()
    server.server_close()


def test_verdict_is_sent_even_without_notify(insights):
    notification.send_message({}, MESSAGE, ["failure"])
    ((path, envelope),) = insights.events
    assert path == "/v2/track" and envelope["iKey"] == "11111111-aaaa"
    assert envelope["data"]["baseData"]["properties"] == {
        "event": "act", "use_case": "flights", "run": "runs/m.html", "status": "act", "text": "drift",
    }  # fmt: skip


def test_alert_queries_the_event_that_is_sent(insights):
    telemetry.send_event(MESSAGE)
    data = insights.events[0][1]["data"]["baseData"]
    assert f"Name == '{data['name']}'" in ALERTS
    assert set(re.findall(r"Properties\.(\w+)", ALERTS)) <= data["properties"].keys()


def test_nothing_is_sent_without_the_variable(insights, monkeypatch):
    monkeypatch.delenv(telemetry.VARIABLE)
    assert not telemetry.send_event(MESSAGE)
    assert insights.events == []


@pytest.mark.parametrize(
    ("connection", "reply", "expected"),
    [
        (None, {"itemsReceived": 1, "itemsAccepted": 0, "errors": ["late"]}, "accepted 0 of 1"),
        ("IngestionEndpoint=http://127.0.0.1:1/", None, "it has no InstrumentationKey"),
        ("InstrumentationKey=7;IngestionEndpoint=http://127.0.0.1:1/", None, "the event was not sent"),
    ],
)
def test_failure_is_told_and_does_not_stop_the_run(insights, monkeypatch, capsys, connection, reply, expected):
    if connection:
        monkeypatch.setenv(telemetry.VARIABLE, connection)
    insights.reply = reply
    assert not telemetry.send_event(MESSAGE)
    assert expected in capsys.readouterr().err
