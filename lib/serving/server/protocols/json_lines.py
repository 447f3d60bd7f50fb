"""NDJSON: a row per line, and an answer per line while the rows are still arriving.

The rows are scored in batches, so a stream may be larger than a request, and neither side has to keep all of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec

from lib.scoring.request_error import RequestError
from lib.serving.server.protocols.exchange import read_error
from lib.serving.server.traffic import TimedAnswer

BATCH_ROWS = 1000
BATCH_BYTES = 2**20
MAX_LINE_BYTES = 2**20

Score = Callable[[bytes], Awaitable[TimedAnswer]]


async def split_batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Yield the lines that have arrived, in lists of at most `BATCH_ROWS` lines; empty lines are left out.

    Raises
    ------
    RequestError
        With status 413, if a line is too long.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for batch in _group(lines):
            yield batch
        if len(rest) > MAX_LINE_BYTES:
            raise RequestError(413, "too_large", f"A line is longer than the limit of {MAX_LINE_BYTES} bytes.")
    for batch in _group([rest]):
        yield batch


def _group(lines: Sequence[bytes]) -> list[list[bytes]]:
    batches: list[list[bytes]] = []
    size = BATCH_BYTES
    for line in lines:
        line = line.strip()
        if not line:
            continue
        if size + len(line) > BATCH_BYTES or len(batches[-1]) >= BATCH_ROWS:
            batches.append([])
            size = 0
        batches[-1].append(line)
        size += len(line)
    return batches


async def answer_lines(lines: Sequence[bytes], first_row: int, score: Score) -> bytes:
    """Return the answers to some lines, a line for each.

    A line that cannot be scored gets an error, and the others are scored without it.

    Parameters
    ----------
    lines : sequence of bytes
        Rows as JSON objects.
    first_row : int
        The number of the first line among the rows of the whole stream.
    score : callable
        Answers a request in Millrace's own JSON.
    """
    try:
        return _split_answer(await _score_lines(lines, score), first_row)
    except RequestError as error:
        if len(lines) == 1 or error.status >= 500 or error.status == 429:
            return b"".join(error_line(error, first_row + number) for number in range(len(lines)))
    middle = len(lines) // 2
    first = await answer_lines(lines[:middle], first_row, score)
    return first + await answer_lines(lines[middle:], first_row + middle, score)


async def _score_lines(lines: Sequence[bytes], score: Score) -> dict[str, Any]:
    """Score lines as one request.

    Raises
    ------
    RequestError
        If a line is not a row, or the rows cannot be scored.
    """
    for line in lines:
        # Two objects on one line would look like two rows.
        if not (line.startswith(b"{") and line.endswith(b"}")):
            raise RequestError(400, "not_a_row", "A line must be one JSON object with a value for each column.")
    timed = await score(b'{"data":[' + b",".join(lines) + b"]}")
    if timed.answer.status != 200:
        raise read_error(timed.answer)
    answer = msgspec.json.decode(timed.answer.content)
    if len(answer["predictions"]) != len(lines):
        raise RequestError(400, "not_a_row", "A line must be one JSON object; it contains several.")
    return answer


def _split_answer(answer: dict[str, Any], first_row: int) -> bytes:
    """Return the answer to a request as a line for each of its rows."""
    rows: list[dict[str, Any]] = [
        {"row": first_row + number, "prediction": value} for number, value in enumerate(answer["predictions"])
    ]
    classes = [str(label) for label in answer.get("classes") or ()]
    for row, probabilities in zip(rows, answer.get("probabilities") or (), strict=False):
        row["probabilities"] = dict(zip(classes, probabilities, strict=True))
    for key, name in (("intervals", "interval"), ("sets", "set")):
        for row, value in zip(rows, answer.get(key) or (), strict=False):
            row[name] = value
    for warning in answer.get("warnings") or ():
        rows[warning["row"]].setdefault("warnings", []).append({**warning, "row": first_row + warning["row"]})
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def error_line(error: RequestError, row: int) -> bytes:
    """Return the error of a row as a line."""
    faults = [{**fault, "row": row} for fault in error.faults]
    content = {"code": error.code, "message": error.message.replace("row 0", f"row {row}", 1)}
    if faults:
        content["faults"] = faults  # type: ignore[assignment]
    return msgspec.json.encode({"row": row, "error": content}) + b"\n"
