"""The loopback Azure itself: rejected calls, injected faults, the journal and the contracts."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from tests.azure.loopback import contract, names
from tests.azure.loopback.faults import Fault, Faults
from tests.azure.loopback.journal import Entry, Journal
from tests.azure.loopback.messages import Call, ErrorReply
from tests.azure.loopback.routes import router
from tests.azure.loopback.routes.history import matches_filter
from tests.azure.loopback.routes.online_endpoints import check_traffic
from tests.azure.loopback.routes.scoring import Split
from tests.azure.loopback.routing import Router, Routes
from tests.azure.loopback.store import Cluster, Deployment, Endpoint, Run

WORKSPACE = f"https://{names.ARM_HOST}{names.WORKSPACE_PATH}"


def call(method, url, body=b"", **headers):
    parts = urlsplit(url)
    return Call(method, parts.hostname, f"{parts.path}?{parts.query}".rstrip("?"), headers, body)


@pytest.fixture
def web(azure):
    """Return an HTTP session that uses the proxy and has a valid token."""
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": azure.cloud.url, "http": azure.cloud.url}
    session.verify = str(azure.cloud.authority)
    session.headers["Authorization"] = f"Bearer {azure.cloud.tokens.issue('test')}"
    return session


# Rejected calls


def test_unknown_hosts_are_rejected_and_recorded(azure, web):
    with pytest.raises(requests.exceptions.ProxyError, match="example.org is no host of the loopback Azure"):
        web.get("https://example.org/a")
    with pytest.raises(AssertionError, match="CONNECT https://example.org"):
        assert not azure.problems(), azure.problems()
    azure.first_call = azure.cloud.journal.mark()


def test_a_missing_route_differs_from_a_missing_resource(azure, web):
    response = web.get(f"{WORKSPACE}/virtualClusters")
    assert response.status_code == 404 and "has no route" in response.json()["error"]["message"]
    assert "no route" in azure.problems() and "virtualClusters" in azure.problems()
    azure.first_call = azure.cloud.journal.mark()
    assert web.get(f"{WORKSPACE}/onlineEndpoints/none").status_code == 404
    assert not azure.problems()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (names.WORKSPACE_PATH + "-other", "ResourceNotFound"),
        (names.WORKSPACE_PATH.replace(names.RESOURCE_GROUP, "rg-other"), "ResourceGroupNotFound"),
        (names.WORKSPACE_PATH.replace(names.SUBSCRIPTION, names.TENANT), "SubscriptionNotFound"),
    ],
)
def test_other_workspaces_do_not_exist(web, path, code):
    response = web.get(f"https://{names.ARM_HOST}{path}?api-version=2022-05-01")
    assert (response.status_code, response.json()["error"]["code"]) == (404, code)


def test_calls_need_a_valid_token(azure, web):
    assert web.get(WORKSPACE).status_code == 200
    azure.cloud.tokens.expire_all()
    assert web.get(WORKSPACE).status_code == 401
    assert web.get(WORKSPACE, headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize(
    ("form", "status", "number"),
    [
        ({"client_secret": names.CLIENT_SECRET}, 200, None),
        ({"client_assertion": "signed elsewhere"}, 200, None),
        ({"client_secret": "wrong"}, 401, "AADSTS7000215"),
        ({"client_secret": names.CLIENT_SECRET, "client_id": "someone"}, 400, "AADSTS700016"),
    ],
)
def test_logins_are_checked(web, form, status, number):
    url = f"https://{names.LOGIN_HOST}/{names.TENANT}/oauth2/v2.0/token"
    response = web.post(url, data={"client_id": names.CLIENT, "scope": "x/.default"} | form)
    assert response.status_code == status
    assert number is None or response.json()["error_description"].startswith(number)


def test_blobs_accept_tokens_and_reject_disabled_keys(azure, azurite, web):
    blob = f"https://{names.BLOB_HOST}/{names.BLOBSTORE_CONTAINER}/folder/a%20file.txt"
    put = web.put(blob, data=b"content", headers={"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"})
    assert put.status_code == 201
    assert web.get(blob, headers={"x-ms-version": "2021-12-02"}).content == b"content"
    azure.store.shared_key_access = False
    try:
        rejected = web.get(blob, headers={"Authorization": "SharedKey account:signature"})
    finally:
        azure.store.shared_key_access = True
    assert rejected.status_code == 403 and b"KeyBasedAuthenticationNotPermitted" in rejected.content


# Injected faults


def test_a_fault_starts_and_ends_after_a_number_of_calls(azure, web):
    azure.faults.on_wire(f"GET {names.ARM_HOST}", 429, after=1, times=2, headers={"Retry-After": "7"})
    answers = [web.get(WORKSPACE) for _ in range(4)]
    assert [response.status_code for response in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "7"
    assert [entry.fault for entry in azure.calls] == ["", "429 InjectedFault", "429 InjectedFault", ""]


def test_connections_are_dropped_during_uploads_and_replies(azure, azurite, web):
    blob = f"https://{names.BLOB_HOST}/{names.BLOBSTORE_CONTAINER}/dropped.bin"
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
    azure.faults.on_wire("PUT .*dropped.bin", drop="upload")
    with pytest.raises(requests.ConnectionError):
        web.put(blob, data=b"x" * 4_000_000, headers=headers)
    assert web.get(blob, headers={"x-ms-version": "2021-12-02"}).status_code == 404
    assert web.put(blob, data=b"x" * 4_000_000, headers=headers).status_code == 201
    azure.faults.on_wire("GET .*dropped.bin", drop="reply")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        web.get(blob, headers={"x-ms-version": "2021-12-02"})


def test_storage_errors_have_the_format_of_the_blob_service():
    fault = Fault("", 403, code="AuthorizationPermissionMismatch", message="not authorized")
    response = fault.reply(call("GET", f"https://{names.BLOB_HOST}/c/b"))
    assert response.headers["x-ms-error-code"] == "AuthorizationPermissionMismatch" and response.body.startswith(
        b"<?xml"
    )
    assert b'"code": "AuthorizationPermissionMismatch"' in fault.reply(call("GET", WORKSPACE)).body


def test_an_unknown_fault_lists_the_known_ones():
    faults = Faults()
    with pytest.raises(ValueError, match="job.preempted"):
        faults.in_service("job.preemted")
    faults.in_service("job.preempted", times=2)
    assert [faults.take("job.preempted") for _ in range(3)] == [True, True, False]


# Journal and contracts


def entry(route, status=200, **details):
    method, host, _ = route.split(" ", 2)
    return Entry(method, host, "/", status, route, **details)


def test_the_journal_reports_missing_routes_and_failures():
    good = [entry("GET h /a"), entry("GET h /a", 404), entry("GET h /a", 503, fault="503 InjectedFault")]
    bad = [Entry("GET", "h", "/lost", 404), entry("GET h /a", 501, failure="Traceback: here")]
    problems = Journal.faults(good + bad)
    assert len(problems) == 2 and "/lost" in problems[0] and "Traceback: here" in problems[1]


def test_a_contract_has_routes_with_versions_but_no_telemetry():
    calls = [
        entry("PUT b /x", api_version="2"), entry("GET a /x", api_version="1"), entry("GET a /x", api_version="1"),
        entry("POST dc.services.visualstudio.com /v2/track"),
    ]  # fmt: skip
    assert contract.lines(calls) == ["GET a /x 1", "PUT b /x 2"]


def test_a_contract_shows_added_and_missing_calls(tmp_path, monkeypatch):
    monkeypatch.delenv(contract.WRITE, raising=False)
    (tmp_path / "one.txt").write_text("# kept\nGET a /x 1\nGET a /y 1\n? GET a /z 1\n")
    calls = [entry("GET a /x", api_version="2"), entry("GET a /y", api_version="1")]
    assert contract.differences(calls, "one", tmp_path) == ["+ GET a /x 2", "- GET a /x 1"]
    assert contract.differences([*calls, entry("GET a /z", api_version="1")], "one", tmp_path)[0] == "+ GET a /x 2"
    assert contract.differences(calls[1:], "none", tmp_path) == ["+ GET a /y 1"]


def test_a_rewritten_contract_keeps_its_optional_lines(tmp_path, monkeypatch):
    (tmp_path / "one.txt").write_text("GET a /old 1\n? GET a /z 1\n")
    monkeypatch.setenv(contract.WRITE, "1")
    assert contract.differences([entry("GET a /x", api_version="2")], "one", tmp_path) == []
    assert (tmp_path / "one.txt").read_text() == "GET a /x 2\n? GET a /z 1\n"


# Routes, traffic, filters and clusters


def test_the_most_specific_route_wins():
    routes = Routes("{any}.host")
    routes.on("GET", "/{rest:path}")(lambda: "rest")
    routes.on("GET", "/a/{name}")(lambda: "named")
    routes.on("GET", "/a/b")(lambda: "literal")
    find = Router([routes]).find
    answers = {path: find(call("GET", f"https://x.host{path}")) for path in ("/a/b", "/a/c%2Fd", "/a/b/c")}
    assert [route.handler() for route, _ in answers.values()] == ["literal", "named", "rest"]
    assert answers["/a/c%2Fd"][1] == {"any": "x", "name": "c/d"}
    assert find(call("POST", "https://x.host/a/b")) == (None, {})


def test_routes_are_unique():
    routes = [str(route) for route in router().routes]
    assert len(set(routes)) == len(routes) > 100


def test_the_traffic_split_is_exact():
    split = Split()
    chosen = [split.next("e", {"blue": 90, "green": 10}) for _ in range(100)]
    assert chosen.count("green") == 10
    assert [split.next("f", {"blue": 50, "green": 50}) for _ in range(4)] == ["blue", "green"] * 2


@pytest.mark.parametrize(
    ("traffic", "mirror", "error"),
    [
        ({"blue": 100}, {"green": 10}, None),
        ({"blue": 0, "green": 0}, {}, None),
        ({"blue": 90}, {}, "sum up to 0 or 100"),
        ({"red": 100}, {}, "red in the traffic map does not exist"),
        ({"blue": 100}, {"green": 60}, "50 percent at most"),
        ({"blue": 100}, {"blue": 10}, "gets live traffic"),
    ],
)
def test_invalid_traffic_is_rejected(traffic, mirror, error):
    endpoint = Endpoint({"properties": {}}, {}, deployments={"blue": Deployment({}), "green": Deployment({})})
    try:
        check_traffic(endpoint, {"traffic": traffic, "mirrorTraffic": mirror})
    except ErrorReply as reply:
        assert error and error in str(reply)
    else:
        assert error is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("(ParentRunId eq null)", True),
        ("RunId eq 'r1' and tags/colour eq 'blue'", True),
        ("tags/colour ne 'blue'", False),
        ("Properties/a.b eq 'c'", True),
    ],
)
def test_runs_match_the_filters_of_the_sdk(text, expected):
    dto = {"runId": "r1", "parentRunId": None, "tags": {"colour": "blue"}, "properties": {"a.b": "c"}}
    assert matches_filter(Run(dto, "experiment"), text) is expected


def test_an_unknown_filter_is_rejected():
    with pytest.raises(ErrorReply, match="startswith"):
        matches_filter(Run({}, "experiment"), "startswith(RunId, 'r')")


def test_a_cluster_allocates_at_most_its_nodes():
    cluster = Cluster({"properties": {"properties": {"scaleSettings": {"maxNodeCount": 2}}}})
    runs = [Run({"runId": str(number)}, "experiment") for number in range(3)]
    assert cluster.take_node(runs[0]) and cluster.take_node(runs[1])
    waiting = threading.Thread(target=cluster.take_node, args=(runs[2],))
    waiting.start()
    cluster.release_node(runs[0])
    waiting.join(30)
    assert cluster.busy == ["1", "2"] and cluster.max_busy == 2
    cancelled = Run({"runId": "4"}, "experiment")
    cancelled.cancelled.set()
    assert not cluster.take_node(cancelled)


def test_a_reply_can_be_delayed(azure, web):
    azure.faults.on_wire(f"GET {names.ARM_HOST}", delay_seconds=0.3)
    started = time.monotonic()
    assert web.get(WORKSPACE).status_code == 200 and time.monotonic() - started >= 0.3


def test_children_of_a_killed_process_are_killed(tmp_path):
    """A process group must not outlive a parent that was killed."""
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from loopback.processes import Process\n"
        "child = Process(['sleep', '600'], Path('log.txt'), Path('.'), {'PATH': '/usr/bin:/bin'})\n"
        "print(child.popen.pid, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(Path(__file__).parent)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    child = psutil.Process(int(starter.stdout.readline()))
    assert child.is_running()
    starter.kill()
    starter.wait(60)
    _, alive = psutil.wait_procs([child], 60)
    assert not alive
