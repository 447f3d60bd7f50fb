"""Clients of an endpoint, which send rows as JSON and note each answer."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from lib.stages._endpoint_answers import build_request

_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """An answer of the endpoint.

    Attributes
    ----------
    status : int
        HTTP status.
    content : dict
    seconds : float
    """

    status: int
    content: dict[str, Any]
    seconds: float

    @property
    def is_success(self) -> bool:
        """Whether the rows were scored."""
        return self.status == 200

    @property
    def version(self) -> str:
        """The version that answered; empty after an error."""
        return str(self.content.get("model", {}).get("version", ""))

    @property
    def error(self) -> str:
        """The error message of the endpoint; empty after a success."""
        return str(self.content.get("error", {}).get("message", ""))

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """The warnings about unusual values."""
        return self.content.get("warnings", [])


class Client:
    """A client that keeps its connection.

    Parameters
    ----------
    url, key : str
        The scoring URL, and the key that authorizes requests.
    """

    def __init__(self, url: str, key: str):
        parts = urlsplit(url)
        self._path = parts.path
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=_TIMEOUT_SECONDS)

    def send(self, body: str | bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request and return the answer.

        Raises
        ------
        OSError
            If the connection fails.
        """
        started = time.monotonic()
        self._connection.request("POST", self._path, body, {**self._headers, **(headers or {})})
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read()), time.monotonic() - started)

    def send_rows(self, rows: pd.DataFrame, request_ids: Sequence[str]) -> list[Answer]:
        """Send each row as a request with an id of its own, and return the answers."""
        bodies = make_bodies(rows)
        return [
            self.send(body, {"X-Request-Id": request_id}) for body, request_id in zip(bodies, request_ids, strict=True)
        ]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def make_bodies(rows: pd.DataFrame) -> list[str]:
    """Return the JSON body of a request for each row.

    Examples
    --------
    >>> make_bodies(pd.DataFrame({"size": [1.5, None]}))[1]
    '{"input_data": {"columns": ["size"], "index": [0], "data": [[null]]}}'
    """
    request = build_request(rows)["input_data"]
    return [
        json.dumps({"input_data": {"columns": request["columns"], "index": [0], "data": [values]}})
        for values in request["data"]
    ]
