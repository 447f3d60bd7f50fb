"""Messages over the sockets between a router or command and the processes it starts.

This module is the contract between a router of today and a worker whose code was saved with a model long ago, so a
change to `REQUEST`, `ANSWER` or `PART`, or to the module functions below, must increase `VERSION`. Whoever starts a
process compares the version in the process's facts with its own.

- A fork server (``lib/forkserver``) imports ``lib.scoring.worker`` or ``lib.scoring.batch`` from the model's code
  and calls ``load(folder, name, version)``. The facts that come back are ``protocol`` (this `VERSION`), ``classes`` (a
  list, or null for a regression) and ``form`` (how the model is run, for people).
- A worker reads `REQUEST` frames, each the body of an HTTP request, and answers each with an `ANSWER` frame, in order.
- A batch process reads `PART` frames, each a pickled DataFrame, and answers each with a `PART` frame that holds an
  Arrow table; see `lib.scoring.batch`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

VERSION = 1
# A request: its length.
REQUEST = struct.Struct("!I")
# An answer: its length, its status, and whether the model itself failed on the rows.
ANSWER = struct.Struct("!IH?")
# A part of a table: its length.
PART = struct.Struct("!Q")


class Answer(NamedTuple):
    """An answer of a worker.

    Attributes
    ----------
    status : int
        HTTP status.
    model_failed : bool
        Whether the rows were valid but the model raised on them, so that another version may still answer.
    content : bytes
        JSON.
    """

    status: int
    model_failed: bool
    content: bytes


def pack_request(body: bytes) -> bytes:
    """Return the frame of a request."""
    return REQUEST.pack(len(body)) + body


def pack_answer(answer: Answer) -> bytes:
    """Return the frame of an answer."""
    return ANSWER.pack(len(answer.content), answer.status, answer.model_failed) + answer.content


def pack_part(content: bytes) -> bytes:
    """Return the frame of a part of a table."""
    return PART.pack(len(content)) + content


def read_request(file: IO[bytes]) -> bytes | None:
    """Read the next request; None once the other side has closed the connection."""
    return _read_frame(file, REQUEST)


def read_part(file: IO[bytes]) -> bytes | None:
    """Read the next part of a table; None once the other side has closed the connection."""
    return _read_frame(file, PART)


def _read_frame(file: IO[bytes], header: struct.Struct) -> bytes | None:
    head = file.read(header.size)
    if len(head) < header.size:
        return None
    (length,) = header.unpack(head)
    content = file.read(length)
    return content if len(content) == length else None


def take_answers(buffer: bytearray) -> Iterator[Answer]:
    """Remove the complete answers from a buffer, and yield them."""
    while len(buffer) >= ANSWER.size:
        length, status, model_failed = ANSWER.unpack_from(buffer)
        end = ANSWER.size + length
        if len(buffer) < end:
            return
        content = bytes(memoryview(buffer)[ANSWER.size : end])
        del buffer[:end]
        yield Answer(status, model_failed, content)
