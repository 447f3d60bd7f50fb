"""The protocols at the endpoint's port: Open Inference v2, MLflow's scoring, CSV and NDJSON."""

import json
import re
import struct
import threading

import numpy as np
import pytest

from tests.served_models import ROW, Client

NAMES = list(ROW)
INFER = "/v2/models/flights-late/infer"
DATATYPES = {"age": "INT64", "fare": "FP64", "city": "BYTES", "member": "BOOL", "when": "BYTES", "note": "BYTES"}
CSV_TEXT = (
    "age,fare,city,member,when,note\r\n"
    '41,12.5,Oslo,True,2024-03-01T10:00:00,"by the ""window"", left"\r\n'
    "88,,Rome </script>,false,2024-01-01 00:00:00,\r\n"
)


@pytest.fixture(scope="module")
def live(models, endpoint):
    endpoint.deploy(models / "classifier", "3", model_name="flights-late", about={"target": "arrival"})
    return endpoint


@pytest.fixture
def client(live):
    return Client(live.status().url, live.keys()["primary"])


def tensor(name, values, **changes):
    return {"name": name, "shape": [len(values)], "datatype": DATATYPES[name], "data": values, **changes}


def tensors(rows=1, **changes):
    return [tensor(name, [changes.get(name, ROW[name])] * rows) for name in NAMES]


def infer(client, content, path="/v2/models/flights-late/infer", **headers):
    return client.ask(path, body=json.dumps(content), **headers)


def test_open_inference_answers_like_score(client):
    expected = client.ask()[1]
    status, answer, _ = infer(client, {"id": "42", "inputs": tensors(rows=2)})
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert (status, answer["id"], answer["model_name"], answer["model_version"]) == (200, "42", "flights-late", "3")
    assert outputs["predictions"]["data"] == 2 * expected["predictions"]
    assert outputs["predictions"]["datatype"] == "BYTES" and outputs["probabilities"]["shape"] == [2, 2]
    assert outputs["probabilities"]["data"][:2] == expected["probabilities"][0]
    assert json.loads(answer["parameters"]["classes"]) == expected["classes"]


def test_open_inference_metadata_needs_no_key(live):
    client = Client(live.status().url)
    assert client.ask("/v2/health/live", method="GET")[:2] == (200, {"live": True})
    assert client.ask("/v2/health/ready", method="GET")[:2] == (200, {"ready": True})
    assert client.ask("/v2/", method="GET")[1]["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/models/flights-late", "/v2/models/flights-late/versions/3"):
        status, model, _ = client.ask(path, method="GET")
        assert status == 200 and model["versions"] == ["3"]
        assert {entry["name"]: entry["datatype"] for entry in model["inputs"]} == DATATYPES
        assert [entry["shape"] for entry in model["outputs"]] == [[-1], [-1, 2]]
        assert client.ask(f"{path}/ready", method="GET")[1] == {"name": "flights-late", "ready": True}


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/flights-late/versions/9", "/v2/models/other/ready"])
def test_open_inference_names_unknown_models(client, path):
    status, answer, _ = client.ask(path, method="GET")
    assert status == 404 and "There is no model" in answer["error"]
    assert infer(client, {"inputs": tensors()}, path.removesuffix("/ready") + "/infer")[0] == 404


def test_open_inference_selects_outputs_and_version(client):
    path = "/v2/models/flights-late/versions/3/infer"
    _, answer, _ = infer(client, {"inputs": tensors(), "outputs": [{"name": "probabilities"}]}, path)
    assert [output["name"] for output in answer["outputs"]] == ["probabilities"]
    status, answer, _ = infer(client, {"inputs": tensors(), "outputs": [{"name": "logits"}]}, path)
    assert status == 400 and "predictions and probabilities" in answer["error"]


def test_open_inference_takes_and_gives_binary_data(client):
    values = {
        "age": np.array([41, 88], "<i8").tobytes(),
        "fare": np.array([12.5, np.nan], "<f4").tobytes(),
        "member": np.array([True, False]).tobytes(),
    }
    for name in ("city", "when", "note"):
        values[name] = struct.pack("<I", len(ROW[name])) + ROW[name].encode()
        values[name] *= 2
    inputs = []
    for name in NAMES:
        entry = {"name": name, "shape": [2, 1], "datatype": "FP32" if name == "fare" else DATATYPES[name]}
        inputs.append({**entry, "parameters": {"binary_data_size": len(values[name])}})
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    body = head + b"".join(values[name] for name in NAMES)
    headers = {"Content_Type": "application/octet-stream", "Inference_Header_Content_Length": str(len(head))}
    client.connection.request(
        "POST",
        "/v2/models/flights-late/infer",
        body,
        client.headers | {name.replace("_", "-"): value for name, value in headers.items()},
    )
    answer = client.connection.getresponse()
    content, length = answer.read(), int(answer.headers["inference-header-content-length"])
    outputs = {output["name"]: output for output in json.loads(content[:length])["outputs"]}
    sizes = [output["parameters"]["binary_data_size"] for output in outputs.values()]
    assert sum(sizes) == len(content) - length
    rows = [{**ROW}, {**ROW, "age": 88, "fare": None, "member": False}]
    expected = client.ask(body=json.dumps({"data": rows}))[1]
    assert np.frombuffer(content[length + sizes[0] :]).reshape(2, 2).tolist() == expected["probabilities"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": []}, "no inputs"),
        ({"inputs": "all"}, "inputs"),
        ({"inputs": [tensor("age", [41], datatype="INT65")]}, "INT65"),
        ({"inputs": [tensor("age", [41], shape=[2])]}, "has 1 values"),
        ({"inputs": [tensor("age", [41], shape=[-1])]}, "shape"),
        ({"inputs": [tensor("age", [41], shape=[2**40] * 3)]}, "shape"),
        ({"inputs": [tensor("age", [41], shape=[1] * 9)]}, "shape"),
        ({"inputs": [tensor("age", json.loads("[" * 900 + "1" + "]" * 900))]}, "a list of 1"),
        ({"inputs": [tensor("age", [41])] * 3, "outputs": [7]}, "outputs"),
        ({"inputs": [tensor("age", ["41"])]}, "not of the datatype INT64"),
        ({"inputs": [tensor("age", [True])]}, "not of the datatype INT64"),
        ({"inputs": [{**tensor("age", []), "data": None}]}, "expected a list"),
        ({"inputs": [{**tensor("age", [41]), "parameters": {"binary_data_size": 8}}]}, "0 bytes are left"),
        ({"inputs": tensors()[:5], "id": 7}, "id"),
        ({"inputs": tensors(age=41.5)}, "age"),
        ({"inputs": [*tensors(), tensor("age", [41])]}, "twice"),
        ({"inputs": [*tensors()[1:], tensor("age", [41, 42])]}, "shape"),
    ],
)
def test_open_inference_errors_have_status_400_and_a_text(client, change, message):
    status, answer, _ = infer(client, change)
    assert status == 400 and message in answer["error"] and set(answer) == {"error"}


def test_open_inference_needs_the_key(live):
    status, answer, _ = infer(Client(live.status().url), {"inputs": tensors()})
    assert status == 401 and "key" in answer["error"]


@pytest.mark.parametrize(
    "content",
    [
        {"dataframe_split": {"columns": NAMES, "data": [list(ROW.values())]}},
        {"dataframe_split": {"index": [7], "data": [list(ROW.values())]}},
        {"dataframe_records": [ROW]},
        {"instances": [ROW]},
        {"instances": [list(ROW.values())]},
        {"inputs": {name: [value] for name, value in ROW.items()}},
        {"inputs": ROW},
        {"inputs": [ROW], "params": {"unknown": 1}},
    ],
)
def test_invocations_take_all_shapes_of_mlflow(client, content):
    status, answer, _ = client.ask(
        "/invocations", body=json.dumps(content), Content_Type="application/json; charset=utf-8"
    )
    assert status == 200 and answer["predictions"] == ["on time"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("this is,,,, not valid json", "not JSON"),
        ("[1]", "exactly one of the input fields"),
        ("1", "exactly one of the input fields"),
        ('{"not": "a serialized dataframe"}', "exactly one of the input fields"),
        ('{"dataframe_records": [], "dataframe_split": {"data": []}}', "exactly one of the input fields"),
        ('{"dataframe_split": [{"age": 1}]}', "not a dictionary"),
        ('{"dataframe_records": {"age": 1}}', "dataframe_records"),
        ('{"inputs": {"age": [1, 2], "fare": [1]}}', "different lengths"),
        ('{"inputs": {"age": "old"}}', "member"),
        ('{"instances": 3}', "not a list"),
        ('{"instances": [[1, 2]]}', "6 values"),
    ],
)
def test_invocations_errors_have_mlflows_shape(client, body, message):
    status, answer, _ = client.ask("/invocations", body=body)
    assert (status, answer["error_code"]) == (400, "BAD_REQUEST") and message in answer["message"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/json; something=x", "application/json; charset=latin-1", ""]
)
def test_invocations_refuse_other_content_types(client, kind):
    assert client.ask("/invocations", body="{}", Content_Type=kind)[0] == 415


def test_mlflows_health_and_version(live):
    client = Client(live.status().url)
    client.connection.request("GET", "/ping")
    answer = client.connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"\n")
    client.connection.request("GET", "/version")
    assert re.fullmatch(rb"\d+\.\d+\.\d+\S*", client.connection.getresponse().read())


@pytest.mark.parametrize("path", ["/score", "/invocations"])
def test_csv_rows_are_read_as_training_did(client, path):
    rows = [{**ROW, "note": 'by the "window", left'}, {**ROW, "age": 88, "fare": None, "city": "Rome </script>"}]
    rows[1] |= {"member": False, "when": "2024-01-01 00:00:00", "note": None}
    expected = client.ask(body=json.dumps({"data": rows}))[1]
    status, answer, _ = client.ask(path, body=CSV_TEXT.encode(), Content_Type="text/csv")
    assert status == 200 and answer["predictions"] == expected["predictions"]
    assert answer["probabilities"] == expected["probabilities"]


def test_csv_answer_has_a_line_per_row(client):
    status, text, headers = client.ask(body=CSV_TEXT.encode(), Content_Type="text/csv", Accept="text/csv")
    lines = text.split("\r\n")
    assert status == 200 and headers["content-type"].startswith("text/csv")
    assert lines[0].startswith("prediction,probability_late,probability_on time") and len(lines) == 4
    as_json = client.ask(body=CSV_TEXT.encode(), Content_Type="text/csv")[1]
    assert lines[1].split(",")[1] == str(as_json["probabilities"][0][0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "header"),
        ("age,fare\r\n1,2", "member"),
        (CSV_TEXT.replace("88", "old"), "old"),
        (CSV_TEXT.replace("false", "perhaps"), "perhaps"),
        (CSV_TEXT.replace("88,", ""), "5 values"),
        (CSV_TEXT.replace("fare", "fair"), "fair"),
        (CSV_TEXT.splitlines()[0], "no rows"),
        ('age\r\n"41', "CSV"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_csv_faults_are_named(client, text, message):
    body = text if isinstance(text, bytes) else text.encode()
    status, answer, _ = client.ask(body=body, Content_Type="text/csv")
    assert status in (400, 422) and message in json.dumps(answer["error"])


def test_ndjson_answers_each_line(client):
    rows = [ROW, {**ROW, "age": "old"}, {**ROW, "age": 280}, {"age": 1}]
    lines = "\n".join(map(json.dumps, rows)) + "\n\n[1]\n" + json.dumps(ROW) + " " + json.dumps(ROW)
    status, text, headers = client.ask(body=lines, Content_Type="application/x-ndjson")
    answers = [json.loads(line) for line in text.splitlines()]
    assert status == 200 and headers["content-type"] == "application/x-ndjson"
    assert [answer["row"] for answer in answers] == list(range(6))
    assert answers[0]["prediction"] == "on time" and set(answers[0]["probabilities"]) == {"late", "on time"}
    assert answers[1]["error"]["faults"][0]["row"] == 1 and answers[1]["error"]["message"].startswith(
        "row 1, column 'age'"
    )
    assert answers[2]["warnings"][0]["range"] == [18.0, 89.0] and answers[2]["warnings"][0]["row"] == 2
    assert all("error" in answer for answer in answers[3:])


def test_ndjson_streams_more_than_a_request_may_hold(client):
    line = json.dumps(ROW).encode() + b"\n"
    count = 9 * 2**20 // len(line)

    def lines():
        for start in range(0, count, 500):
            yield line * min(500, count - start)

    # A client has to read while it sends, since neither side keeps the whole stream.
    client.connection.putrequest("POST", "/score")
    for name, value in {**client.headers, "Content-Type": "application/x-ndjson"}.items():
        client.connection.putheader(name, value)
    client.connection.putheader("Transfer-Encoding", "chunked")
    client.connection.endheaders()
    connection = client.connection.sock

    def send():
        for part in lines():
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")

    sender = threading.Thread(target=send)
    sender.start()
    answer = client.connection.getresponse()
    answered = sum(1 for _ in answer)
    sender.join()
    assert answer.status == 200 and answered == count


@pytest.mark.parametrize(
    ("path", "kind", "body", "expected"),
    [
        ("/score", "text/csv", "age\n" + "1\n" * 10_001, 413),
        ("/score", "text/csv", "a," * 1000 + "a\n1\n", 422),
        ("/invocations", "application/json", json.dumps({"instances": [{}] * 10_001}), 413),
        ("/invocations", "application/json", json.dumps({"inputs": {str(number): 1 for number in range(1000)}}), 400),
        (INFER, "application/json", json.dumps({"inputs": [tensor("age", [1] * 10_001)]}), 413),
        (INFER, "application/json", json.dumps({"inputs": [tensor("age", [1])] * 1000}), 400),
    ],
)
def test_far_too_large_tables_are_refused_before_they_are_translated(client, path, kind, body, expected):
    status, answer, _ = client.ask(path, body=body, Content_Type=kind)
    assert status == expected and re.search(r"has (10001 rows|100[01] columns)", json.dumps(answer))


def test_ndjson_without_rows_or_key_is_refused(live, client):
    assert client.ask(body="\n \n", Content_Type="application/x-ndjson")[0] == 422
    assert Client(live.status().url).ask(body="{}", Content_Type="application/x-ndjson")[0] == 401


def test_openapi_names_target_types_and_ranges(client):
    document = client.ask("/openapi.json", method="GET")[1]
    schemas = document["components"]["schemas"]
    assert document["info"]["description"] == "Predicts arrival: late, on time."
    assert schemas["Answer"]["properties"]["predictions"]["items"] == {"enum": ["late", "on time"]}
    assert schemas["Row"]["properties"]["age"]["x-training-range"] == [18, 89]
    assert {"/invocations", "/v2/models/{name}/infer", "/metrics"} <= set(document["paths"])
