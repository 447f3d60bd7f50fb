"""The monitor command: exit code, message to a webhook, and the answer to a verdict."""

import http.server
import json
import threading

import pytest

from lib.commands import main, monitor, run
from tests import workspaces
from tests.workspaces import NAME, pipeline_in, table

copy_after = workspaces.copy_after
with_champion = workspaces.with_champion
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")

INTERVAL = {"value": 0.9, "low": 0.88, "high": 0.92}
SUMMARY = {
    "rows": 500,
    "windows": 2,
    "drifted": [{"column": "size", "since": "2026-05-15T00:00:00+00:00", "used_by_model": True}],
    "acted_in": "2026-05-22T00:00:00+00:00",
    "metric": "roc_auc",
    "promised": INTERVAL,
    "realised": None,
    "estimated": {"value": 0.8, "low": 0.78, "high": 0.82},
    "scores": [
        {"rows": 300, "labelled": 300, "realised": {"value": 0.7, "low": 0.6, "high": 0.8}, "estimate": INTERVAL},
        {"rows": 100, "labelled": 100, "realised": {"value": 0.9, "low": 0.8, "high": 1.0}, "estimate": None},
    ],
}


@pytest.fixture
def look(monkeypatch, with_champion, tmp_path):
    """Return a function that runs the command on a workspace; the notebook's outputs are given."""
    table().to_csv(tmp_path / "shop.csv", index=False)

    def execute(state, *arguments, **parameters):
        outputs = {"state": state, "verdict": f"{state}: as told", "version": "1", "summary": SUMMARY}
        monkeypatch.setattr(monitor, "_execute_notebook", lambda *inputs: outputs)
        monkeypatch.setattr(monitor, "_write_page", lambda executed: executed.with_suffix(".html"))
        values = {
            "name": NAME,
            "data": tmp_path / "shop.csv",
            "target_column": "bought",
            "task": "binary",
            "primary_metric": "roc_auc",
            "workspace": with_champion,
            "runs_folder": tmp_path / "runs",
            **parameters,
        }
        options = [part for name, value in values.items() for part in ("-p", f"{name}={value}")]
        (tmp_path / "empty.yaml").write_text("{}\n")
        return main(["monitor", "--params", str(tmp_path / "empty.yaml"), *options, *arguments])

    return execute


@pytest.fixture
def hook():
    """Return the bodies that a web server of the test received, and its address."""
    bodies = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield bodies, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("state", "code"), [("stable", 0), ("look", 0), ("act", 3), ("too few to say", 4)])
def test_each_verdict_has_its_exit_code_and_event(look, hook, state, code, capsys):
    bodies, address = hook
    assert look(state, notify=json.dumps({"webhook": address})) == code
    assert capsys.readouterr().out.splitlines()[0] == f"{state}: as told"
    assert [body["event"] for body in bodies] == ([] if code == 0 else [state.replace(" ", "_")])
    for body in bodies:
        assert body["text"] == f"{NAME}: {state}: as told" and body["drifted"] == SUMMARY["drifted"]


def test_a_held_promotion_waits_for_its_acknowledgement(look, with_champion, capsys):
    registry = pipeline_in(with_champion).backend.models(NAME)
    assert look("act", on_verdict="hold") == 3
    assert "Nothing is promoted until somebody acknowledges" in capsys.readouterr().out
    registry.retire("1", "otherwise the best candidate is in production already")
    held = pipeline_in(with_champion).evaluate()
    assert held.gates.loc["monitor", "verdict"] == "blocked"
    assert "act: as told" in held.blocked_by and not held.promoted
    assert look("act", "--acknowledge", " ") == 2
    assert look("act", "--acknowledge", "a new shop opened") == 0
    assert "a new shop opened" in capsys.readouterr().out
    evaluation = pipeline_in(with_champion).evaluate()
    assert evaluation.promoted and "monitor" not in evaluation.gates.index
    assert look("act", on_verdict="hold") == 3  # the same alarm does not hold again
    assert registry.promotion_hold.reason() == ""
    assert look("act", "--acknowledge", "again") == 2


@pytest.mark.parametrize(("chain_code", "code"), [(0, 3), (3, 3), (1, 1)])
def test_retraining_runs_the_chain_and_names_its_cause(look, monkeypatch, chain_code, code):
    causes = []
    monkeypatch.setattr(run, "execute", lambda options, caused_by: causes.append(caused_by) or chain_code)
    assert look("act", on_verdict="retrain") == code
    assert causes[0]["verdict"] == "act: as told"
    assert causes[0]["page"].startswith("../monitor-") and causes[0]["page"].endswith("06_monitor.html")
    assert look("look", on_verdict="retrain") == 0 and len(causes) == 1


def test_promise_and_what_came_are_compared(look, capsys):
    assert look("stable", "--since-promotion") == 0
    output = capsys.readouterr().out
    assert "Promised at the promotion of version 1: roc_auc 0.9 (0.88 to 0.92)" in output
    assert "Came, realised: 0.75, the mean of 400 rows in 2 windows; in 1 of them" in output
    assert "Came, estimated without labels: 0.9, the mean of 300 rows in 1 windows; in 0 of them" in output


def test_verdict_over_the_request_log_goes_to_the_endpoint(look, with_champion, tmp_path):
    """Its metrics include the verdict; a look at another table does not concern it."""
    folder = with_champion / "endpoints" / NAME
    look("stable")
    assert not folder.exists(), "no endpoint is made up"
    folder.mkdir(parents=True)
    look("stable", "--data", str(tmp_path / "shop.csv"))
    assert not list(folder.iterdir())
    look("act")
    assert json.loads((folder / "monitor.json").read_text())["state"] == "act"
    assert [path.name for path in folder.iterdir()] == ["monitor.json"]
