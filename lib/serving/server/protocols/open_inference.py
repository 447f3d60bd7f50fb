"""The Open Inference Protocol v2 (REST), which KServe, Triton and MLServer speak.

Each column of the model is an input tensor of shape ``[rows]`` or ``[rows, 1]``. Alternatively, a single tensor of
shape ``[rows, columns]`` contains all columns in the model's order. The answer has the tensor ``predictions`` and, for
classifiers, ``probabilities``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from lib.scoring.columns import Column
from lib.scoring.json_body import REASONS, parse_json
from lib.scoring.model import Model
from lib.scoring.request_error import RequestError, describe_value
from lib.scoring.wire_protocol import Answer
from lib.serving.server.protocols.exchange import Exchange, Headers, Reply, check_size, read_error, to_rows
from lib.serving.server.protocols.tensors import BINARY_EXTENSION, Tensor, find_datatype, make_output, read_tensor

SERVER_NAME = "millrace"
EXTENSIONS = [BINARY_EXTENSION]
PLATFORM = "sklearn"
JSON_LENGTH_HEADER = b"inference-header-content-length"
PREDICTIONS, PROBABILITIES = "predictions", "probabilities"


class OpenInferenceExchange(Exchange):
    """One inference request.

    Parameters
    ----------
    columns : sequence of Column
        The model's inputs.
    max_rows : int
        The maximum number of rows.
    headers : dict
        The request's headers.
    """

    is_translated = True

    def __init__(self, columns: Sequence[Column], max_rows: int, headers: Headers):
        self._columns, self._max_rows, self._headers = columns, max_rows, headers
        self._id: str | None = None
        self._is_binary = False
        self._wanted: dict[str, bool] | None = None  # whether a requested output is to be binary, by name

    def to_request(self, body: bytes) -> bytes:
        """Return the tensors of a request as rows in Millrace's own JSON."""
        json_part, binary = self._split_body(body)
        payload = parse_json(bytes(json_part))
        if not isinstance(payload, dict) or not isinstance(payload.get("inputs"), list):
            raise RequestError(400, "wrong_shape", 'The request must be an object with the list "inputs".')
        self._read_settings(payload)
        check_size(0, len(payload["inputs"]), len(self._columns), self._max_rows)
        tensors = []
        for entry in payload["inputs"]:
            tensor, used_bytes = read_tensor(entry, binary, self._max_rows)
            tensors.append(tensor)
            binary = binary[used_bytes:]
        names, rows = _to_table(tensors, [column.name for column in self._columns])
        parameters = payload.get("parameters") or {}
        if REASONS not in parameters:
            return to_rows(names, rows)
        content = {"input_data": {"columns": names, "data": rows}, REASONS: parameters[REASONS]}
        return msgspec.json.encode(content)

    def to_reply(self, answer: Answer) -> Reply:
        """Return a worker's answer as tensors; everything else in it is part of ``parameters``, as JSON text."""
        if answer.status != 200:
            return self.to_error(read_error(answer))
        content = msgspec.json.decode(answer.content)
        model = content.pop("model")
        reply: dict[str, Any] = {"model_name": model["name"] or ""}
        if model["version"] is not None:
            reply["model_version"] = model["version"]
        if self._id is not None:
            reply["id"] = self._id
        reply["outputs"], binary = self._make_outputs(content)
        if content:
            reply["parameters"] = {name: _to_parameter(value) for name, value in content.items()}
        head = msgspec.json.encode(reply)
        if not binary:
            return Reply(200, head)
        length = (JSON_LENGTH_HEADER, b"%d" % len(head))
        return Reply(200, head + binary, b"application/octet-stream", [length])

    def to_error(self, error: RequestError) -> Reply:
        """Return an error with the text ``error``, as the protocol demands."""
        # The protocol's own OpenAPI document knows no 415 and no 422.
        status = 400 if error.status in (415, 422) else error.status
        return Reply(status, msgspec.json.encode({"error": error.message}))

    def _split_body(self, body: bytes) -> tuple[memoryview, memoryview]:
        """Return the JSON and the binary data of a body."""
        view = memoryview(body)
        if JSON_LENGTH_HEADER not in self._headers:
            return view, view[:0]
        length = self._headers[JSON_LENGTH_HEADER]
        if not length.isdigit() or len(length) > 12 or int(length) > len(body):
            message = f"The header Inference-Header-Content-Length is {length[:40]!r}; the body has {len(body)} bytes."
            raise RequestError(400, "wrong_length", message)
        return view[: int(length)], view[int(length) :]

    def _read_settings(self, payload: dict[str, Any]) -> None:
        """Read the request's id and the outputs that it asks for."""
        identifier, parameters, outputs = (payload.get(key) for key in ("id", "parameters", "outputs"))
        if identifier is not None and not isinstance(identifier, str):
            raise RequestError(400, "wrong_shape", f'"id" is {describe_value(identifier)}; expected text.')
        if parameters is not None and not isinstance(parameters, dict):
            raise RequestError(400, "wrong_shape", f'"parameters" is {describe_value(parameters)}, not an object.')
        self._id = identifier
        self._is_binary = (parameters or {}).get("binary_data_output") is True
        if outputs is None:
            return
        if not isinstance(outputs, list) or any(
            not isinstance(output, dict) or not isinstance(output.get("name"), str) for output in outputs
        ):
            raise RequestError(400, "wrong_shape", '"outputs" must be a list of objects with a "name".')
        self._wanted = {}
        for output in outputs:
            settings = output.get("parameters") or {}
            is_binary = settings.get("binary_data", self._is_binary) if isinstance(settings, dict) else self._is_binary
            self._wanted[output["name"]] = is_binary is True

    def _make_outputs(self, content: dict[str, Any]) -> tuple[list[dict[str, Any]], bytes]:
        """Take predictions and probabilities out of an answer, and return them as tensors with their binary data.

        Raises
        ------
        RequestError
            With status 400, if the request asked for an output that the model does not have.
        """
        predictions = content.pop(PREDICTIONS)
        shapes = {PREDICTIONS: [len(predictions)]}
        values = {PREDICTIONS: predictions}
        if PROBABILITIES in content:
            rows = content.pop(PROBABILITIES)
            shapes[PROBABILITIES] = [len(rows), len(content["classes"])]
            values[PROBABILITIES] = [probability for row in rows for probability in row]
        wanted = self._wanted if self._wanted else dict.fromkeys(values, self._is_binary)
        for name in wanted:
            if name not in values:
                known = " and ".join(values)
                raise RequestError(400, "no_output", f"There is no output {name[:100]!r}; the model has {known}.")
        made = [make_output(name, values[name], shapes[name], is_binary) for name, is_binary in wanted.items()]
        return [entry for entry, _ in made], b"".join(data for _, data in made)


def describe_server(version: str) -> dict[str, Any]:
    """Return the metadata of the server."""
    return {"name": SERVER_NAME, "version": version, "extensions": EXTENSIONS}


def describe_model(model: Model, classes: list | None, versions: Sequence[str]) -> dict[str, Any]:
    """Return the metadata of a model: its versions and its tensors.

    Parameters
    ----------
    model : Model
    classes : list or None
        The labels of a classifier.
    versions : sequence of str
        The versions that are deployed.
    """
    inputs = [{"name": column.name, "datatype": find_datatype(column), "shape": [-1]} for column in model.columns]
    outputs = [{"name": PREDICTIONS, "datatype": "FP64", "shape": [-1]}]
    if classes is not None:
        outputs[0] = {**make_output(PREDICTIONS, classes, [-1], False)[0]}
        del outputs[0]["data"]
        outputs.append({"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, len(classes)]})
    return {
        "name": model.name or "",
        "versions": list(versions),
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": outputs,
    }


def _to_table(tensors: list[Tensor], names: list[str]) -> tuple[list[str], list]:
    """Return the names of columns, and the rows."""
    if not tensors:
        raise RequestError(400, "no_rows", "The request has no inputs; expected a tensor for each column.")
    first = tensors[0]
    if len(tensors) == 1 and first.name not in names and len(first.shape) == 2 and first.shape[1] == len(names):
        width = len(names)
        return names, [first.values[start : start + width] for start in range(0, len(first.values), width)]
    for tensor in tensors:
        if tensor.shape not in ([first.shape[0]], [first.shape[0], 1]):
            message = (
                f"The input {tensor.name[:100]!r} has the shape {tensor.shape}; expected [{first.shape[0]}] or "
                f"[{first.shape[0]}, 1], one value for each row, or a single input of shape [rows, {len(names)}]."
            )
            raise RequestError(400, "wrong_tensor", message)
    columns = [tensor.values for tensor in tensors]
    return [tensor.name for tensor in tensors], [list(row) for row in zip(*columns, strict=True)]


def _to_parameter(value: Any) -> Any:
    """Return a value as a parameter, which the protocol limits to text, numbers and booleans."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, ensure_ascii=False)
