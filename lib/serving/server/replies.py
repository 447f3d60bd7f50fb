"""The answers of an endpoint as HTTP messages, with the headers that all answers have."""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lib.scoring.request_error import RequestError
from lib.serving.server.protocols.exchange import Headers, Reply

REQUEST_ID = re.compile(rb"[\w.-]{1,100}", re.ASCII)
_COMMON_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class Version(Protocol):
    """Name and version of the model that gave an answer."""

    name: str
    version: str


class Replies:
    """Sends answers.

    Attributes
    ----------
    is_leaving : bool
        If true, answers ask clients to open a new connection, which reaches the successor.
    """

    def __init__(self) -> None:
        self.is_leaving = False

    def common_headers(self, request_id: bytes, version: Version | None) -> list[tuple[bytes, bytes]]:
        """Return the headers that all answers have: request id, and name and version of the model."""
        headers = [*_COMMON_HEADERS, (b"x-request-id", request_id)]
        if version is not None:
            headers += [
                (b"x-model-name", _header_value(version.name)),
                (b"x-model-version", _header_value(version.version)),
            ]
        if self.is_leaving:
            headers.append((b"connection", b"close"))
        return headers

    async def send(
        self,
        send: Callable,
        request_id: bytes,
        version: Version | None,
        reply: Reply,
        extra_headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send a whole answer."""
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(reply.content)),
            *reply.headers,
            *extra_headers,
            *self.common_headers(request_id, version),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.content})

    async def start_stream(self, send: Callable, request_id: bytes, version: Version | None, kind: bytes) -> None:
        """Send the head of an answer whose length is not known yet."""
        headers = [(b"content-type", kind), *self.common_headers(request_id, version)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def find_request_id(headers: Headers) -> bytes:
    """Return the id that a client gave its request in the header ``X-Request-ID``, or a new one."""
    request_id = headers.get(b"x-request-id")
    if request_id is None or not REQUEST_ID.fullmatch(request_id):
        return b"%032x" % random.getrandbits(128)  # an id, not a secret; reading the system's generator takes longer
    return request_id


def internal_error() -> RequestError:
    """Return the error that a client gets for a fault of the endpoint."""
    return RequestError(500, "failed", "The endpoint failed on this request. Its log has the details.")


def to_json(content: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


@functools.lru_cache
def _header_value(value: str | None) -> bytes:
    """Return a value as a header: headers are Latin-1 without line breaks, names in a registry may be anything."""
    return json.dumps(value or "")[1:-1].encode()
