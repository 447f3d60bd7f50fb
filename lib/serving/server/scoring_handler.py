"""Answering of scoring requests: key, body, protocol, model; and the counts, log and trace of each request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from lib.scoring.request_error import RequestError
from lib.scoring.requests import Limits
from lib.scoring.wire_protocol import Answer
from lib.serving.keys import KeyFile
from lib.serving.server.body_reader import BodyReader, read_chunks
from lib.serving.server.connection_limit import SENT_KEY, ConnectionLimit
from lib.serving.server.failure_log import FailureLog
from lib.serving.server.metrics.request_counts import RequestCounts
from lib.serving.server.protocols import json_lines
from lib.serving.server.protocols.exchange import NDJSON, Exchange, Headers, Reply
from lib.serving.server.replies import Replies, find_request_id, internal_error
from lib.serving.server.scoring_routes import Route, find_deployment, make_error_exchange, make_exchange
from lib.serving.server.tracing import make_span_starter
from lib.serving.server.traffic import TimedAnswer, Traffic

log = logging.getLogger("lib.serving")
# Larger bodies are translated in a thread, so that other clients do not wait.
_THREAD_BYTES = 2**15
LogRequest = Callable[[bytes, TimedAnswer, str], None]


class ScoringHandler:
    """Answers scoring requests.

    Parameters
    ----------
    traffic : Traffic
        Answers the requests.
    keys : KeyFile
        The accepted keys.
    limits : Limits
        Limits of a request's size.
    log_request : callable
        Called with the body, the answer and the id of each successful request.
    connections : ConnectionLimit
        Counts refused requests.
    replies : Replies
        Sends the answers.

    Attributes
    ----------
    counts : RequestCounts
        Counts and latencies of all requests.
    """

    def __init__(
        self,
        traffic: Traffic,
        keys: KeyFile,
        limits: Limits,
        log_request: LogRequest,
        connections: ConnectionLimit,
        replies: Replies,
    ):
        self.counts = RequestCounts()
        self._traffic, self._keys, self._log_request = traffic, keys, log_request
        self._connections, self._replies = connections, replies
        self._bodies, self._max_rows = BodyReader(limits.bytes), limits.rows
        self._failures = FailureLog()
        self._start_span = make_span_starter()

    async def answer(
        self, scope: dict[str, Any], headers: Headers, receive: Callable, send: Callable, route: Route
    ) -> None:
        """Answer a request. Without a valid key it is refused before its body is read."""
        if self._start_span is None:
            await self._answer(scope, headers, receive, send, route)
            return
        with self._start_span(route.kind, headers) as span:
            version, status = await self._answer(scope, headers, receive, send, route)
            span.set_outcome(status, version)

    async def _answer(
        self, scope: dict[str, Any], headers: Headers, receive: Callable, send: Callable, route: Route
    ) -> tuple[str, int]:
        """Answer a request, and return the version that answered and the status."""
        started_at = time.perf_counter()
        request_id = find_request_id(headers)
        timed: TimedAnswer | None = None
        exchange: Exchange | None = None
        extra_headers: list[tuple[bytes, bytes]] = []
        body, code = b"", ""
        try:
            if not self.admits(headers):
                extra_headers = [(b"www-authenticate", b"Bearer")]
                raise missing_key()
            if "connection" in scope:
                scope["connection"].trust = SENT_KEY
            exchange = make_exchange(route, headers, self._traffic, self._max_rows)
            deployment = find_deployment(route, headers, self._traffic)
            if exchange is None:
                return await self._stream(scope, request_id, receive, send, deployment)
            body = await self._bodies.read(headers, receive)
            if exchange.is_translated:
                body = await _translate(exchange.to_request, body, len(body))
            timed = await self._traffic.score(body, deployment)
            reply = Reply(timed.answer.status, timed.answer.content)
            if exchange.is_translated:
                reply = await _translate(exchange.to_reply, timed.answer, len(timed.answer.content))
        except RequestError as error:
            reply, code = (exchange or make_error_exchange(route)).to_error(error), error.code
            self._connections.count_refusal(error.code)
        except Exception:
            log.exception("A request could not be answered.", extra={"request_id": request_id.decode()})
            reply, code = (exchange or make_error_exchange(route)).to_error(internal_error()), "failed"
        pool = timed.pool if timed else self._traffic.leading
        await self._replies.send(send, request_id, pool, reply, extra_headers)
        version, seconds = pool.version if pool else "", time.perf_counter() - started_at
        self.counts.record(route.kind, version, reply.status, seconds)
        if timed and timed.answer.status == 200:
            self._log_request(body, timed, request_id.decode())
        elif reply.status != 401:
            self._failures.note(request_id, route.kind, version, reply.status, code, seconds)
        return version, reply.status

    def admits(self, headers: Headers) -> bool:
        """Return whether a request has a valid key."""
        return self._keys.admits(headers.get(b"authorization", b"").decode("latin-1"))

    async def _stream(
        self, scope: dict[str, Any], request_id: bytes, receive: Callable, send: Callable, deployment: str | None
    ) -> tuple[str, int]:
        """Answer lines of JSON while they arrive. After the first answer, errors are lines, too.

        Raises
        ------
        RequestError
            If the client disconnects, or sends a line that is too long, before the first answer.
        """
        if "connection" in scope:
            scope["connection"].allow_long_body()
        started_at = time.perf_counter()
        pool = self._traffic.leading
        row = 0

        async def score(body: bytes) -> TimedAnswer:
            timed = await self._traffic.score(body, deployment)
            if timed.answer.status == 200:
                self._log_request(body, timed, request_id.decode())
            return timed

        if deployment is not None:
            self._traffic.find_pool(deployment)  # status 404 if there is none
        try:
            async for lines in json_lines.split_batches(read_chunks(receive)):
                answers = await json_lines.answer_lines(lines, row, score)
                if row == 0:
                    await self._replies.start_stream(send, request_id, pool, NDJSON.encode())
                await send({"type": "http.response.body", "body": answers, "more_body": True})
                row += len(lines)
        except RequestError as error:
            if row == 0:
                raise
            self._connections.count_refusal(error.code)
            line = json_lines.error_line(error, row)
            await send({"type": "http.response.body", "body": line, "more_body": True})
        if row == 0:
            raise RequestError(422, "no_rows", "The request has no rows; at least one is needed.")
        await send({"type": "http.response.body", "body": b""})
        version = pool.version if pool else ""
        self.counts.record("ndjson", version, 200, time.perf_counter() - started_at)
        return version, 200


def missing_key() -> RequestError:
    """Return the error for a request without a valid key."""
    return RequestError(401, "no_key", "This endpoint needs a key: send the header Authorization: Bearer <key>.")


async def _translate(translate: Callable[[Any], Any], content: bytes | Answer, size_bytes: int) -> Any:
    """Translate a body or an answer; a large one in a thread."""
    if size_bytes < _THREAD_BYTES:
        return translate(content)
    return await asyncio.to_thread(translate, content)
