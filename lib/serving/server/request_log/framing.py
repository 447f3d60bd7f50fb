"""Frames between the router and the process that writes the request log: metadata, body and answer of a request."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

# The lengths of the three pieces.
HEADER = struct.Struct("!III")


def pack(metadata: bytes, body: bytes, content: bytes) -> bytes:
    """Return the frame of a request."""
    return b"".join([HEADER.pack(len(metadata), len(body), len(content)), metadata, body, content])


def take(buffer: bytearray) -> Iterator[list[bytes]]:
    """Remove the complete frames from a buffer, and yield metadata, body and answer of each."""
    start = 0
    while len(buffer) >= start + HEADER.size:
        ends = list(itertools.accumulate(HEADER.unpack_from(buffer, start), initial=start + HEADER.size))
        if len(buffer) < ends[-1]:
            break
        yield [bytes(memoryview(buffer)[begin:end]) for begin, end in itertools.pairwise(ends)]
        start = ends[-1]
    del buffer[:start]
