"""Messages between a model's processes and the router or command that starts them.

A router of this release may start a worker whose code was saved with a model by another release. So a change to
`REQUEST`, `ANSWER` or `PART`, or to the functions and facts below, must increase `VERSION`. The router compares its own
`VERSION` with the one in the facts that the process sends.

- A fork server (``lib/forkserver``) imports ``lib.scoring.worker`` or ``lib.scoring.batch`` from the model's code
  and calls ``load(folder, name, version)``. The facts that it sends are ``protocol`` (this `VERSION`), ``classes`` (a
  list, or null for a regression) and ``engine`` (see `lib.scoring.scorer.Scorer`;
  the code of older models calls it ``form``).
- A worker reads `REQUEST` frames, each with the body of an HTTP request, and answers each with an `ANSWER` frame, in
  the order of the requests.
- A batch process reads `PART` frames, each with a pickled DataFrame, and answers each with a `PART` frame that contains
  an Arrow table; see `lib.scoring.batch`. The attribute `REASONS_ATTRIBUTE` of the DataFrame is the number of reasons
  for each row; the code of older models ignores it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

VERSION = 1
# The environment variable with the time limit of a request in seconds, after which a worker ends itself; 0 for none.
REQUEST_SECONDS_VARIABLE = "MILLRACE_REQUEST_SECONDS"
# The attribute, in pandas' ``DataFrame.attrs``, of the part of a table whose rows are to get reasons.
REASONS_ATTRIBUTE = "reasons"
# The header of a request: the body's length.
REQUEST = struct.Struct("!I")
# The header of an answer: the content's length, the HTTP status, and whether the model failed on valid rows.
ANSWER = struct.Struct("!IH?")
# The header of a part of a table: the part's length.
PART = struct.Struct("!Q")


class Answer(NamedTuple):
    """An answer of a worker.

    Attributes
    ----------
    status : int
        HTTP status.
    model_failed : bool
        Whether the model failed on valid rows, which another version of the model may be able to score.
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
    """Read the body of the next request; return None once the router has closed the connection."""
    return _read_frame(file, REQUEST)


def read_part(file: IO[bytes]) -> bytes | None:
    """Read the next part of a table; return None once the other process has closed the connection."""
    return _read_frame(file, PART)


def _read_frame(file: IO[bytes], header: struct.Struct) -> bytes | None:
    packed_header = file.read(header.size)
    if len(packed_header) < header.size:
        return None
    (length,) = header.unpack(packed_header)
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
