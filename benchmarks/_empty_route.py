"""A route that answers every request at once, on the endpoint's stack: the most that one process of it can do.

::

    python -m benchmarks._empty_route <port>

It reads the body and answers with a text as long as the answer to one row. It has no key, no model, no log and none of
the endpoint's limits.
"""

import sys
from collections.abc import Callable
from typing import Any

import uvicorn

CONTENT = b'{"predictions":["late"],"probabilities":[[0.75,0.25]],"classes":["late","on time"]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(CONTENT))]


async def answer(scope: dict[str, Any], receive: Callable, send: Callable) -> None:
    """Answer a request (ASGI)."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": CONTENT})


def main() -> None:
    """Serve on a port of this machine."""
    uvicorn.run(
        answer,  # type: ignore[arg-type]
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main()
