"""Notifications about the end of a run, sent to a real web server and a real SMTP server of the test."""

import http.server
import json
import socketserver
import threading

import pytest

from lib.chain import notification
from lib.chain import record as records
from lib.chain.record import RunRecord
from lib.parameters.notify_checks import notify_faults


class _Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        self.answer("220 test")
        while command := self.rfile.readline().decode().strip():
            if command.upper() == "DATA":
                self.answer("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines).decode())
            self.server.commands.append(command)
            self.answer("221 bye" if command.upper() == "QUIT" else "250 ok")

    def answer(self, line):
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def serve():
    """Return a function that starts a server in a thread."""
    servers = []

    def start(server, **attributes):
        vars(server).update(attributes)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hook(serve):
    return serve(http.server.HTTPServer(("127.0.0.1", 0), _Hook), bodies=[], answer=200)


@pytest.fixture
def ended(tmp_path):
    """Return a function that makes a run with a status, and returns its folder."""

    def end(status=records.SUCCEEDED, error=""):
        run = RunRecord.new(tmp_path, "shop", {"name": "shop"})
        outputs = {"decision": "linear is version 1.", "endpoint_url": "http://here/score"}
        run.end(run.begin("evaluate", "04_evaluate.ipynb"), records.SUCCEEDED, seconds=1.5, outputs=outputs)
        run.close(status, error)
        return run.folder

    return end


def url(server):
    return f"http://127.0.0.1:{server.server_port}/hook"


def test_a_webhook_gets_the_documented_message(ended, hook):
    folder = ended()
    notification.notify({"webhook": url(hook)}, folder)
    (message,) = hook.bodies
    assert message.pop("started") <= message.pop("ended")
    assert message.pop("seconds") >= 0
    assert message == {
        "text": f"shop: {folder} succeeded. linear is version 1.",
        "event": "success",
        "name": "shop",
        "run": str(folder),
        "status": "succeeded",
        "decision": "linear is version 1.",
        "error": "",
        "endpoint_url": "http://here/score",
        "stages": [{"stage": "evaluate", "status": "succeeded", "seconds": 1.5}],
    }


@pytest.mark.parametrize(
    ("status", "event"), [("failed", "failure"), ("interrupted", "failure"), ("held", "gate"), ("succeeded", "success")]
)
def test_only_the_requested_events_are_sent(ended, hook, status, event):
    folder = ended(status, "" if status == "succeeded" else "the score is too low")
    others = [name for name in ("success", "failure", "gate") if name != event]
    notification.notify({"webhook": url(hook), "on": others}, folder)
    assert hook.bodies == []
    notification.notify({"webhook": url(hook), "on": [event]}, folder)
    assert [message["event"] for message in hook.bodies] == [event]


def test_a_long_error_is_cut(ended, hook):
    notification.notify({"webhook": url(hook)}, ended(records.FAILED, "x" * 5_000_000))
    assert len(json.dumps(hook.bodies)) < 10_000


def test_an_address_is_read_from_the_environment(ended, hook, monkeypatch):
    monkeypatch.setenv("SHOP_HOOK", url(hook))
    notification.notify({"webhook": "$SHOP_HOOK"}, ended())
    assert len(hook.bodies) == 1


def test_a_failed_notification_is_one_line(ended, hook, capsys, monkeypatch):
    hook.answer = 500
    notification.notify({"webhook": url(hook)}, ended())
    monkeypatch.delenv("SHOP_HOOK", raising=False)
    notification.notify({"webhook": "$SHOP_HOOK"}, ended())
    first, second = capsys.readouterr().err.splitlines()
    assert "the webhook notification was not sent (HTTP Error 500" in first
    assert "the environment variable SHOP_HOOK is not set" in second


def test_an_email_is_sent_by_smtp(ended, serve):
    server = serve(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp), mails=[], commands=[])
    email = {"to": ["a@example.com", "b@example.com"], "from": "millrace@example.com", "host": "127.0.0.1"}
    settings = {"email": {**email, "port": server.server_address[1], "encryption": "none"}}
    notification.notify(settings, ended(records.HELD, "the score is too low"))
    (mail,) = server.mails
    assert "Subject: shop: " in mail and "held" in mail and "evaluate: succeeded, 1.5 s" in mail
    recipients = [command for command in server.commands if command.lower().startswith("rcpt")]
    assert len(recipients) == 2 and "b@example.com" in recipients[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"webhok": "https://a"}, "Did you mean 'webhook'"),
        ({"webhook": "ftp://a"}, "starts with https://"),
        ({"webhook": 5}, "starts with https://"),
        ({"webhook": "https://a", "on": "failure"}, "expected a list of"),
        ({"webhook": "https://a", "on": ["failed"]}, "expected a list of"),
        ({"on": ["failure"]}, "neither a webhook nor an email"),
        ({"email": "a@example.com"}, "expected a mapping"),
        ({"email": {"to": ["a@example.com"], "host": "h"}}, "needs the key 'from'"),
        ({"email": {"to": ["a"], "from": "b@c", "host": "h"}}, "'a' is not an e-mail address"),
        ({"email": {"to": ["a@c"], "from": "b@c", "host": "h", "port": "25"}}, "port is '25'"),
        ({"email": {"to": ["a@c"], "from": "b@c", "host": "h", "encryption": "ssl"}}, "expected one of starttls"),
        ({"email": {"to": ["a@c"], "from": "b@c", "host": "h", "password": "x"}}, "no key 'password'"),
    ],
)
def test_wrong_settings_are_refused_before_the_run(settings, message):
    assert any(message in fault for fault in notify_faults(settings))


def test_complete_settings_are_accepted():
    email = {"to": ["a@c"], "from": "b@c", "host": "h", "port": 25, "user": "u", "encryption": "tls"}
    assert notify_faults({"webhook": "$HOOK", "on": ["failure", "gate"], "email": email}) == []
    assert notify_faults({}) == []
