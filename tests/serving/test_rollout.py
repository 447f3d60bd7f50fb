"""Rollouts: traffic is shared, mirrored and rolled back, by hand or by a limit, and no request is lost."""

import json
import os
import shutil
import signal
import time

import cloudpickle
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks.rollout import run_all_phases
from lib.errors import EndpointError
from lib.scoring.model import load_model
from lib.serving import process
from lib.serving.deploying.endpoint import LocalEndpoint, RequestLogSettings
from lib.serving.rollout import Rollout, Watch
from lib.simulation.steady_load import SteadyLoad
from tests.processes import has_ended
from tests.served_models import ROW, Client


class TestWatch:
    def test_error_rate_above_the_limit_is_reported(self):
        watch = Watch(Rollout(max_error_rate=0.1))
        assert not any(watch.record(0.01, number % 20 == 0) for number in range(100))
        broken = next(filter(None, (watch.record(0.01, True) for _ in range(20))))
        assert "(endpoint_max_error_rate)" in broken

    def test_single_failure_breaks_no_limit(self):
        watch = Watch(Rollout(max_error_rate=0))
        assert not any(watch.record(0.01, True) for _ in range(19)) and watch.record(0.01, True)

    def test_latency_above_the_limit_is_reported(self):
        watch = Watch(Rollout(p95_latency_ms=100))
        assert not any(watch.record(0.5 if number % 50 == 0 else 0.01, False) for number in range(200))
        assert "endpoint_p95_latency_ms" in next(filter(None, (watch.record(0.5, False) for _ in range(100))))


@pytest.fixture(scope="module")
def flawed(models, tmp_path_factory):
    """Return a classifier that fails, dies or waits if the column `note` says so."""
    folder = tmp_path_factory.mktemp("flawed") / "model"
    shutil.copytree(models / "classifier", folder)

    def flaw(rows):
        notes = set(rows["note"])
        if "fail" in notes:
            raise ValueError("told to fail")
        if "die" in notes:
            os.kill(os.getpid(), signal.SIGKILL)
        if "wait" in notes:
            time.sleep(0.3)
        return rows

    classifier = load_model(models / "classifier").estimator
    with (folder / "model.pkl").open("wb") as file:
        cloudpickle.dump(make_pipeline(FunctionTransformer(flaw), *(step for _, step in classifier.steps)), file)
    return folder


@pytest.fixture
def live(models, tmp_path):
    """Return an endpoint with version 1."""
    endpoint = LocalEndpoint(tmp_path / "endpoint", "flights")
    endpoint.deploy(models / "classifier", "1")
    yield endpoint
    endpoint.stop()


def body_with(note):
    return json.dumps({"data": [{**ROW, "note": note}]})


def ask(endpoint, times=1, note="", **headers):
    """Send requests and return the versions that answered."""
    client = Client(endpoint.status().url, endpoint.keys()["primary"])
    answers = [client.ask(body=body_with(note), **headers) for _ in range(times)]
    assert [status for status, *_ in answers] == [200] * times
    return [content["model"]["version"] for _, content, _ in answers]


def wait_until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_traffic_is_mirrored_shared_shifted_and_rolled_back(models, live):
    status = live.deploy(models / "regressor", "2", rollout=Rollout(percent=0))
    assert (status.version, set(ask(live, 20))) == ("1", {"1"}) and "gets 0 %" in status.other_version
    named = next(path.name for path in (live.folder / "deployments").glob("2-*"))
    assert ask(live, azureml_model_deployment=named) == ["2"]
    assert Client(status.url, live.keys()["primary"]).ask(azureml_model_deployment="none")[0] == 404

    live.shift(0, mirror=100)
    assert set(ask(live, 10)) == {"1"}
    # A regressor answers otherwise than a classifier.
    wait_until(lambda: "0 of 10 answers the same" in live.status().other_version)
    live.shift(50)
    assert set(ask(live, 60)) == {"1", "2"}
    assert (live.shift(100).version, set(ask(live, 10))) == ("2", {"2"})
    back = live.roll_back()
    assert (back.version, back.other_version, set(ask(live, 10))) == ("1", "", {"1"})
    with pytest.raises(EndpointError, match="no earlier version to go back to"):
        live.roll_back()
    with pytest.raises(EndpointError, match="no new version"):
        live.shift(10)


@pytest.mark.slow
def test_rollback_starts_an_ended_version_again(models, live):
    live.deploy(models / "classifier", "2", rollout=Rollout(watch_minutes=0))
    wait_until(lambda: not live.status().other_version)
    assert ask(live) == ["2"] and live.roll_back().version == "1" and ask(live) == ["1"]
    assert live.roll_back().version == "2" and ask(live) == ["2"]


@pytest.mark.parametrize(
    ("note", "limits", "why"),
    [
        ("fail", {"max_error_rate": 0.1}, "endpoint_max_error_rate"),
        ("wait", {"p95_latency_ms": 250}, "endpoint_p95_latency_ms"),
    ],
)
def test_broken_limit_rolls_back_without_failed_requests(live, flawed, note, limits, why):
    live.deploy(flawed, "2", rollout=Rollout(**limits), check=lambda url, key: Client(url, key).ask())
    assert ask(live) == ["2"]
    ask(live, 45, note=note)
    wait_until(lambda: live.status().version == "1" and not live.status().other_version)
    assert why in live.status().events[-1] and set(ask(live, 5, note=note)) == {"1"}


def test_previous_version_answers_what_kills_the_new_one(live, flawed):
    live.deploy(flawed, "2")
    assert ask(live, note="die") == ["1"] and ask(live) == ["2"]
    wait_until(lambda: len(live.status().workers) == 4)


@pytest.mark.slow
def test_router_with_older_code_is_replaced(models, live, monkeypatch):
    before = live.status()
    monkeypatch.setattr(process, "code_digest", lambda: "newer")
    steady = SteadyLoad(before.url, body_with("").encode(), lambda name: live.keys()[name])
    with steady.running(), steady.phase("handing over") as counts:
        live.deploy(models / "classifier", "2")
        steady.wait_until(lambda: counts["version 2"] > 20)
    after = live.status()
    assert not steady.failed and (after.url, after.version) == (before.url, "2") and after.pid != before.pid
    wait_until(lambda: has_ended(before.pid))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_request_fails_in_any_phase(models, live):
    steady = SteadyLoad(live.status().url, body_with("").encode(), lambda name: live.keys()[name])
    run_all_phases(live, models / "classifier", steady)
    print(steady.counts)
    assert not steady.failed and all(steady.counts.values())
    assert steady.counts["30 % to version 2"].keys() >= {"version 1", "version 2"}
    old = steady.counts["roll back"]
    assert old["version 1"] > old["version 2"]


@pytest.mark.slow
def test_requests_are_logged_by_day(models, live):
    live.deploy(models / "classifier", "2", request_log=RequestLogSettings(columns=("age", "city")))
    ask(live, 3)
    Client(live.status().url, live.keys()["primary"]).ask(body='{"data": []}')
    wait_until(lambda: list(live.folder.glob("requests/day=*/v2-*.parquet")))
    kept = pd.read_parquet(live.folder / "requests")
    assert kept["age"].tolist() == [41] * 3 and kept["city"].tolist() == ["Oslo"] * 3
    assert kept["_prediction"].tolist() == ["on time"] * 3 and set(kept["_version"]) == {"2"}
    assert (kept["_latency_ms"] > 0).all() and kept["_probability_late"].between(0, 1).all()
    assert set(kept["day"].astype(str)) == set(kept["_time"].dt.strftime("%Y-%m-%d")) and "fare" not in kept
