"""The HTTP interface of a running endpoint."""

import json
import re
import shutil
import stat
import time

import psutil
import pytest

from lib.serving.keys import CHECK_SECONDS
from tests.bad_bodies import bodies
from tests.served_models import ROW, Client


@pytest.fixture(scope="module")
def live(models, endpoint):
    endpoint.deploy(models / "classifier", "3", model_name="flights-late")
    return endpoint


@pytest.fixture
def client(live):
    return Client(live.status().url, live.keys()["primary"])


def test_answer_and_its_headers(client):
    status, content, headers = client.ask(x_request_id="abc-1")
    assert (
        status == 200 and content["predictions"] == ["on time"] and sum(content["probabilities"][0]) == pytest.approx(1)
    )
    assert (headers["x-request-id"], headers["x-model-name"], headers["x-model-version"]) == (
        "abc-1",
        "flights-late",
        "3",
    )


def test_invalid_request_id_is_replaced(client):
    _, _, headers = client.ask(x_request_id="<script>")
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])


def test_bad_bodies_get_4xx_and_leak_no_memory(live, client):
    process = psutil.Process(live.status().pid)
    corpus = bodies()

    def once():
        for name, (body, expected) in corpus.items():
            status, content, _ = client.ask(body=body)
            assert (name, status) == (name, expected)
            assert content["error"]["message"]

    once()
    before = process.memory_info().rss
    once()
    assert process.memory_info().rss - before < 20 * 2**20
    assert client.ask()[0] == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer {short}",
        "Bearer k\u00f8y",
    ],
)
def test_request_without_valid_key_is_refused(live, authorization):
    key = live.keys()["primary"]
    header = authorization.format(key=key, short=key[:-1]).encode("latin-1")
    status, content, headers = Client(live.status().url).ask(Authorization=header)
    assert (status, content["error"]["code"], headers["www-authenticate"]) == (401, "no_key", "Bearer")


def test_both_keys_are_valid_and_renewed_at_once(live):
    url, (primary, secondary) = live.status().url, live.keys().values()
    assert [Client(url, key).ask()[0] for key in (primary, secondary)] == [200, 200]
    renewed = live.renew_key("secondary")
    assert [Client(url, key).ask()[0] for key in (primary, secondary, renewed)] == [200, 401, 200]


def test_keys_are_visible_to_their_owner_only(live):
    assert stat.S_IMODE((live.folder / "keys.json").stat().st_mode) == 0o600
    process = psutil.Process(live.status().pid)
    visible = " ".join([*process.cmdline(), *process.environ().values(), live.logs(10_000)])
    visible += (live.folder / "endpoint.json").read_text()
    assert not any(key in visible for key in live.keys().values())


def test_readable_key_file_locks_everybody_out(live, client):
    path = live.folder / "keys.json"
    path.chmod(0o644)
    time.sleep(2 * CHECK_SECONDS)  # the router then looks at the file again
    try:
        assert client.ask()[0] == 401
    finally:
        path.chmod(0o600)
    assert client.ask()[0] == 200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": ""}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "application/json; charset=latin-1"}, 415),
        ({"Content_Encoding": "gzip"}, 415),
        ({"Content_Type": "Application/JSON; charset=UTF-8"}, 200),
    ],
)
def test_content_types(client, headers, expected):
    assert client.ask(**headers)[0] == expected


def test_chunked_body_is_limited(client):
    pieces = (b" " * 2**20 for _ in range(9))
    assert client.ask(body=pieces)[0] == 413


def test_unknown_path_and_method_are_refused(client):
    assert client.ask("/nothing", method="GET")[0] == 404
    status, content, headers = client.ask("/score", method="GET")
    assert status == 405 and "POST" in headers["allow"] and content["error"]["code"] == "not_served"


def test_health_and_readiness_need_no_key(live):
    client = Client(live.status().url)
    assert client.ask("/health", method="GET")[:2] == (200, {"status": "live"})
    assert client.ask("/ready", method="GET")[1]["model"] == {"name": "flights-late", "version": "3"}


def test_openapi_has_columns_and_working_examples(client):
    _, document, _ = client.ask("/openapi.json", method="GET")
    row = document["components"]["schemas"]["Row"]
    assert list(row["properties"]) == list(ROW) and row["required"] == ["age", "member", "when"]
    assert row["properties"]["fare"]["type"] == ["number", "null"]
    content = document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        assert client.ask(body=json.dumps(example["value"]))[0] == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_and_escape_the_models_text(client, path):
    status, page, headers = client.ask(path, method="GET")
    assert status == 200 and "default-src 'none'" in headers["content-security-policy"]
    assert set(re.findall(r"https?://[^/\s<]+", page)) <= {f"http://127.0.0.1:{client.connection.port}"}
    assert not re.search(r"<(link|img|iframe|script)[^>]+(src|href)", page)
    assert "Rome </script>" not in page and "{{" not in page


def test_form_has_fields_with_ranges_and_choices(client):
    page = client.ask("/", method="GET")[1]
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    fields = {field["name"]: field for field in data["fields"]}
    assert list(fields) == list(ROW)
    assert fields["age"]["hint"] == "18 to 89 in training" and fields["city"]["choices"] == ["Oslo", "Rome </script>"]
    assert (
        fields["when"]["control"] == "datetime" and fields["age"]["control"] == "slider" and fields["note"]["nullable"]
    )


def test_large_batch_does_not_delay_the_health_check(live, client):
    body = json.dumps({"data": [ROW] * 5000})
    client.connection.request("POST", "/score", body, client.headers)
    began = time.monotonic()
    assert Client(live.status().url).ask("/health", method="GET")[0] == 200
    waited = time.monotonic() - began
    answer = client.connection.getresponse()
    assert len(json.loads(answer.read())["predictions"]) == 5000
    assert waited < 5


def test_endpoint_ends_when_its_folder_is_deleted(live):
    process = psutil.Process(live.status().pid)
    shutil.rmtree(live.folder)
    deadline = time.monotonic() + 20
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert live.status().state == "never deployed"
