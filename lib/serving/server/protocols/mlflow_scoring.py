"""MLflow's scoring protocol, as ``mlflow models serve`` speaks it at ``/invocations``.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/ (accepted input formats). Differences: columns that
the model lacks are refused instead of ignored, and ``params`` may contain ``reasons``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lib.scoring.columns import Column
from lib.scoring.json_body import REASONS, parse_json
from lib.scoring.request_error import RequestError, describe_value
from lib.scoring.wire_protocol import Answer
from lib.serving.server.protocols.csv_rows import parse_rows
from lib.serving.server.protocols.exchange import Exchange, Reply, check_size, read_error

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_USAGE = (
    "The input must be a JSON dictionary with exactly one of the input fields "
    "'dataframe_split', 'dataframe_records', 'instances' and 'inputs'"
)
# MLflow's error codes by HTTP status.
_ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    413: "BAD_REQUEST",
    415: "BAD_REQUEST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "TEMPORARILY_UNAVAILABLE",
}


class MlflowExchange(Exchange):
    """One request of an MLflow client.

    Parameters
    ----------
    columns : sequence of Column
        The model's inputs.
    max_rows : int
        The maximum number of rows.
    is_csv : bool
        Whether the body is CSV.
    """

    is_translated = True

    def __init__(self, columns: Sequence[Column], max_rows: int, is_csv: bool):
        self._columns, self._max_rows, self._is_csv = columns, max_rows, is_csv

    def to_request(self, body: bytes) -> bytes:
        """Return the rows of an MLflow request in Millrace's own JSON."""
        if self._is_csv:
            return parse_rows(body, self._columns, self._max_rows)
        payload = parse_json(body)
        formats = [key for key in payload if key in FORMATS] if isinstance(payload, dict) else []
        if len(formats) != 1:
            got = (
                f"the fields {', '.join(list(payload)[:10])}" if isinstance(payload, dict) else describe_value(payload)
            )
            raise RequestError(400, "wrong_shape", f"{_USAGE}; it is {got[:300]}.")
        key = formats[0]
        content = payload[key]
        is_object = isinstance(content, dict)
        row_count = len(content) if isinstance(content, list) else 0
        check_size(row_count, len(content) if is_object else 0, len(self._columns), self._max_rows)
        request = _to_own_shape(key, content, [column.name for column in self._columns])
        params = payload.get("params") or {}
        if isinstance(params, dict) and REASONS in params:  # MLflow ignores parameters that a model does not have
            request[REASONS] = params[REASONS]
        return msgspec.json.encode(request)

    def to_reply(self, answer: Answer) -> Reply:
        """Return a worker's answer; errors have the shape of MLflow's."""
        return super().to_reply(answer) if answer.status == 200 else self.to_error(read_error(answer))

    def to_error(self, error: RequestError) -> Reply:
        """Return an error with the keys ``error_code`` and ``message``, and the faults."""
        status = 400 if error.status == 422 else error.status
        content = {"error_code": _ERROR_CODES.get(status, "BAD_REQUEST"), "message": error.message}
        if error.faults:
            content["faults"] = error.faults  # type: ignore[assignment]
        return Reply(status, msgspec.json.encode(content))


def _to_own_shape(key: str, content: Any, names: list[str]) -> dict[str, Any]:
    """Return rows in one of the shapes that the workers read."""
    if key == "dataframe_split":
        if not isinstance(content, dict):
            raise RequestError(400, "wrong_shape", f'"{key}" is {describe_value(content)}, not a dictionary.')
        return {key: content if "columns" in content else {"columns": names, **content}}
    if key == "dataframe_records" or _has_records(content):
        return {"dataframe_records": content}
    if isinstance(content, dict):
        return {"input_data": _split_columns(key, content)}
    if isinstance(content, list):
        rows = [row if isinstance(row, list) else [row] for row in content]
        return {"input_data": {"columns": names, "data": rows}}
    raise RequestError(400, "wrong_shape", f'"{key}" is {describe_value(content)}, not a list or a dictionary.')


def _has_records(content: Any) -> bool:
    return isinstance(content, list) and bool(content) and all(isinstance(row, dict) for row in content)


def _split_columns(key: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return a dictionary of columns, or of the values of a single row, as a list of names and a list of rows."""
    columns = [values if isinstance(values, list) else [values] for values in content.values()]
    lengths = {len(values) for values in columns}
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(values)}" for name, values in list(zip(content, columns, strict=True))[:10])
        raise RequestError(400, "wrong_shape", f'The columns of "{key}" have different lengths ({shown}).')
    return {"columns": list(content), "data": [list(row) for row in zip(*columns, strict=True)]}
