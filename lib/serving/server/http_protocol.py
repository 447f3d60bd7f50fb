"""The HTTP protocol of an endpoint: uvicorn's, with limits of size and time.

uvicorn waits without limit for a request, and for a client that does not read its answer; and the time it takes for a
header grows faster than the header. This protocol refuses a request that exceeds a limit, and closes its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from lib.scoring.request_error import RequestError
from lib.serving.server.connection_limit import SENT_NOTHING, SENT_REQUEST, ConnectionLimit

MAX_URL_BYTES = 8 * 2**10
MAX_HEAD_BYTES = 64 * 2**10
MAX_HEADERS = 100
MAX_PIPELINED_REQUESTS = 16
# The rest of a refused request is read and dropped, up to this size and time: a client that is still sending would not
# see the answer if the connection were closed at once.
MAX_DROPPED_BYTES = 64 * 2**20
DROP_SECONDS = 10.0
# Time for a head from its first byte or, for the first request, from the connection.
HEAD_SECONDS = 10.0
# Time without progress within a body, and for a whole body.
BODY_PAUSE_SECONDS, BODY_SECONDS = 10.0, 60.0
# Time without progress while a client reads its answer.
ANSWER_SECONDS = 60.0
_NEVER = math.inf


class LimitedProtocol(HttpToolsProtocol):
    """One connection of a client.

    Parameters
    ----------
    limit : ConnectionLimit
        All connections of the server.
    **arguments
        Those of uvicorn's protocol.

    Attributes
    ----------
    trust : int
        ``SENT_NOTHING``, ``SENT_REQUEST`` or ``SENT_KEY`` of `connection_limit`.
    deadline : float
        Time, as `time.monotonic` measures it, at which `expire` is called.
    """

    def __init__(self, limit: ConnectionLimit, **arguments: Any):
        super().__init__(**arguments)
        self.trust = SENT_NOTHING
        self.deadline = _NEVER
        self._limit = limit
        self._is_reading_head = False
        self._is_reading_body = False
        self._is_refused = False
        self._has_begun = False
        self._head_bytes = self._header_bytes = 0
        self._dropped_bytes = 0
        self._body_deadline = _NEVER
        self._refusal: RequestError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection, and wait for a request; asyncio calls this."""
        super().connection_made(transport)
        self.deadline = time.monotonic() + HEAD_SECONDS
        self._limit.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; asyncio calls this."""
        self._limit.remove(self)
        self.deadline = _NEVER
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request; asyncio calls this."""
        self._unset_keepalive_if_required()
        if self._is_refused:
            self._drop(len(data))
            return
        is_between_requests = not (self._is_reading_head or self._is_reading_body)
        self._has_begun = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request is answered in HTTP/1.1, as for a client that offers HTTP/2
        except httptools.HttpParserError:
            self._refuse(self._refusal or RequestError(400, "not_http", "The request is not valid HTTP."))
            return
        if self._is_reading_head or (is_between_requests and not self._has_begun):
            self._limit_head(len(data))

    def on_message_begin(self) -> None:
        """Start a request; the parser calls this."""
        super().on_message_begin()
        self._has_begun = self._is_reading_head = True
        self._head_bytes = self._header_bytes = 0
        self.scope["connection"] = self  # type: ignore[typeddict-unknown-key]

    def on_url(self, url: bytes) -> None:
        """Add a part of the URL; the parser calls this."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._fail(414, "url_too_long", f"The URL is longer than {MAX_URL_BYTES} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; the parser calls this."""
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._fail_head()

    def on_headers_complete(self) -> None:
        """Start to answer the request; the parser calls this."""
        has_upgrade = self.parser.should_upgrade()
        if has_upgrade and (self.parser.get_method() == b"CONNECT" or self._get_upgrade() == b"websocket"):
            self._fail(400, "no_upgrade", "This endpoint has no web sockets and is no proxy.")
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            self._fail(400, "too_many_requests", "Wait for answers before sending more requests on a connection.")
        self._is_reading_head, self._is_reading_body = False, True
        self._dropped_bytes = 0
        now = time.monotonic()
        self._body_deadline, self.deadline = now + BODY_SECONDS, now + BODY_PAUSE_SECONDS
        self._limit.set_busy(self)
        if self.trust == SENT_NOTHING:
            self.trust = SENT_REQUEST
        super().on_headers_complete()
        if has_upgrade:
            self.cycle.keep_alive = False  # the parser stops after this request

    def on_body(self, body: bytes) -> None:
        """Add a part of the body, or drop it if the request has been answered; the parser calls this."""
        self.deadline = min(self._body_deadline, time.monotonic() + BODY_PAUSE_SECONDS)
        if self.cycle.response_complete:
            self._drop(len(body))
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the whole request has arrived; the parser calls this."""
        super().on_message_complete()
        self._is_reading_body = False
        self.deadline = _NEVER

    def on_response_complete(self) -> None:
        """Start the next request of the pipeline, or wait for one; uvicorn calls this."""
        super().on_response_complete()
        if not self.transport.is_closing() and self._is_answered():
            self._limit.set_idle(self)

    def pause_writing(self) -> None:
        """Limit the time in which the client has to read its answer; asyncio calls this."""
        super().pause_writing()
        self.deadline = time.monotonic() + ANSWER_SECONDS

    def resume_writing(self) -> None:
        """Note that the client has read; asyncio calls this."""
        super().resume_writing()
        self.deadline = _NEVER

    def expire(self) -> None:
        """Close the connection, since the client exceeded a time limit; answer with status 408 if that is possible."""
        is_reading = self._is_reading_head or (self._is_reading_body and not self.cycle.response_complete)
        if self._is_refused or not is_reading or self.flow.write_paused:
            self._limit.count_refusal("too slow" if self.trust else "sent nothing")
            self.abort()
            return
        if self._is_reading_body:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._refuse(RequestError(408, "too_slow", "The request did not arrive in time."))

    def allow_long_body(self) -> None:
        """Let the body of the current request take as long as it makes progress; called with a valid key only."""
        self._body_deadline = _NEVER

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def _is_answered(self) -> bool:
        """Return whether every request whose head has arrived was answered."""
        return (self.cycle is None or self.cycle.response_complete) and not self.pipeline

    def _limit_head(self, received_bytes: int) -> None:
        """Limit size and time of a head that is not complete, including line breaks before it."""
        if self.deadline == _NEVER:
            self.deadline = time.monotonic() + HEAD_SECONDS
        self._head_bytes += received_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            with contextlib.suppress(_RefusedError):
                self._fail_head()
            assert self._refusal is not None
            self._refuse(self._refusal)

    def _fail_head(self) -> None:
        limits = f"{MAX_HEADERS} headers or {MAX_HEAD_BYTES} bytes"
        self._fail(431, "head_too_large", f"The request's headers are more than {limits}.")

    def _fail(self, status: int, code: str, message: str) -> None:
        """Stop the parser; `data_received` then refuses the request."""
        self._refusal = RequestError(status, code, message)
        raise _RefusedError(code)

    def _refuse(self, error: RequestError) -> None:
        """Answer with an error, close this side of the connection, and drop what still arrives."""
        self._limit.count_refusal(error.code)
        self._is_refused = True
        is_answering = self.cycle is not None and not (self.cycle.response_complete or self.cycle.disconnected)
        if is_answering or self.transport.is_closing():  # an error now would look like the answer in progress
            self.abort()
            return
        content = json.dumps(error.content()).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(content)
        self.transport.write(STATUS_LINE[error.status] + head + content)
        self.deadline = time.monotonic() + DROP_SECONDS
        self.transport.write_eof()

    def _drop(self, dropped_bytes: int) -> None:
        self._dropped_bytes += dropped_bytes
        if self._dropped_bytes > MAX_DROPPED_BYTES:
            self.abort()


class _RefusedError(Exception):
    """A request exceeds a limit; raised within the parser's callbacks to stop the parser."""
