"""What the router and its processes say to one another over a socket: pieces of bytes, each behind its length."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

# Of a request: its length. Of an answer: its length, its status, and whether the model itself failed on the rows.
REQUEST = struct.Struct("!I")
ANSWER = struct.Struct("!IH?")
# Of a request that is kept, the lengths of: when, by whom and how fast; the body; the answer.
KEPT = struct.Struct("!III")


class Answer(NamedTuple):
    """An answer of a worker.

    Attributes
    ----------
    status : int
        As in HTTP.
    model_failed : bool
        Whether the rows passed the checks and the model raised on them: another version may well answer them.
    content : bytes
        JSON.
    """

    status: int
    model_failed: bool
    content: bytes


def request(body: bytes) -> bytes:
    """Frame of a request."""
    return REQUEST.pack(len(body)) + body


def answer(given: Answer) -> bytes:
    """Frame of an answer."""
    return ANSWER.pack(len(given.content), given.status, given.model_failed) + given.content


def read_request(file: BinaryIO) -> bytes | None:
    """The next request, or None where the other side has hung up."""
    head = file.read(REQUEST.size)
    return file.read(*REQUEST.unpack(head)) if len(head) == REQUEST.size else None


def kept(about: bytes, body: bytes, content: bytes) -> bytes:
    """Frame of a request that is kept."""
    return b"".join([KEPT.pack(len(about), len(body), len(content)), about, body, content])


def take_kept(buffer: bytearray) -> Iterator[list[bytes]]:
    """Requests to be kept that have arrived whole, each in its three pieces, taken out of the buffer."""
    begin = 0
    while len(buffer) >= begin + KEPT.size:
        ends = list(itertools.accumulate(KEPT.unpack_from(buffer, begin), initial=begin + KEPT.size))
        if len(buffer) < ends[-1]:
            break
        yield [bytes(memoryview(buffer)[one:other]) for one, other in itertools.pairwise(ends)]
        begin = ends[-1]
    del buffer[:begin]


def take_answers(buffer: bytearray) -> Iterator[Answer]:
    """Answers that have arrived whole, taken out of the buffer."""
    while len(buffer) >= ANSWER.size:
        length, status, model_failed = ANSWER.unpack_from(buffer)
        end = ANSWER.size + length
        if len(buffer) < end:
            return
        content = bytes(memoryview(buffer)[ANSWER.size : end])
        del buffer[:end]
        yield Answer(status, model_failed, content)
