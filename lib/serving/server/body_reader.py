"""Reading the body of a request, with limits on its size and on that of all bodies together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from lib.scoring.request_error import RequestError
from lib.serving.server.protocols.exchange import Headers

# All bodies that are being read. A larger sum is refused, so that clients cannot fill the memory.
MAX_BODIES_BYTES = 256 * 2**20


class BodyReader:
    """Reads bodies.

    Parameters
    ----------
    max_bytes : int
        Maximum size of a body.
    """

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._all_bytes = 0

    async def read(self, headers: Headers, receive: Callable) -> bytes:
        """Return a whole body.

        Raises
        ------
        RequestError
            If the body is too large, the client disconnects, or too many large bodies are being read.
        """
        message = f"The request is larger than the limit of {self._max_bytes} bytes."
        if int(headers.get(b"content-length", b"0")) > self._max_bytes:
            raise RequestError(413, "too_large", message)
        chunks, size, is_more = [], 0, True
        try:
            while is_more:  # an asynchronous generator would take longer
                chunk, is_more = await _read_chunk(receive)
                chunks.append(chunk)
                size += len(chunk)
                self._all_bytes += len(chunk)
                if size > self._max_bytes:
                    raise RequestError(413, "too_large", message)
                if self._all_bytes > MAX_BODIES_BYTES:
                    busy = "Too many large requests arrive at once. Try again in a moment."
                    raise RequestError(503, "too_busy", busy)
        finally:
            self._all_bytes -= size
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_chunks(receive: Callable) -> AsyncIterator[bytes]:
    """Yield the parts of a body as they arrive.

    Raises
    ------
    RequestError
        If the client disconnects.
    """
    is_more = True
    while is_more:
        chunk, is_more = await _read_chunk(receive)
        yield chunk


async def _read_chunk(receive: Callable) -> tuple[bytes, bool]:
    """Return the next part of a body, and whether more follows."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise RequestError(400, "not_whole", "The connection closed before the request was complete.")
    return message.get("body", b""), message.get("more_body", False)
