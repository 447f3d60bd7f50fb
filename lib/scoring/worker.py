"""A worker of the local endpoint: a process that answers requests with one model version.

``lib/forkserver`` calls `load` once and then forks a worker for each connection. So a worker that died is replaced in
milliseconds, and all workers share the memory of the model. Forking is unsafe if the model has started threads, or on
other systems than Linux; then the process that called `load` is the only worker.

A worker ends when its connection is closed, which also happens when the router ends.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from lib.scoring import wire_protocol
from lib.scoring.model_folder import ModelError
from lib.scoring.request_error import RequestError
from lib.scoring.scorer import Scorer
from lib.scoring.wire_protocol import Answer

log = logging.getLogger("lib.serving")
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class Worker:
    """The process that answers requests, started by a fork server; see `lib.forkserver.server.Target`.

    Parameters
    ----------
    scorer : Scorer
    """

    def __init__(self, scorer: Scorer):
        self._scorer = scorer
        self.can_fork = is_single_threaded()
        self.facts = describe_scorer(scorer)

    def before_fork(self) -> None:
        """Do nothing: the model is loaded."""

    def serve(self, connection: socket.socket) -> None:
        """Answer requests until the router closes the connection."""
        # The system ends a worker that hangs, even if nobody is left to do it.
        self._scorer.count_values()
        limit_seconds = float(os.environ.get(wire_protocol.REQUEST_SECONDS_VARIABLE, 0))
        with connection.makefile("rb") as file:
            while (body := wire_protocol.read_request(file)) is not None:
                signal.setitimer(signal.ITIMER_REAL, limit_seconds)
                answer = wire_protocol.pack_answer(answer_request(self._scorer, body))
                signal.setitimer(signal.ITIMER_REAL, 0)
                connection.sendall(answer)


def load(folder: str, name: str, version: str) -> Worker:
    """Load the model of a folder. A fork server calls this function once.

    Parameters
    ----------
    folder : str
        The model folder.
    name, version : str
        Name and version of the model, repeated in every answer.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    worker = Worker(load_scorer(folder, name, version))
    gc.collect()
    return worker


def load_scorer(folder: str, name: str, version: str) -> Scorer:
    """Make the scorer of a model folder and warm it up; exit with a message if the folder cannot be served."""
    try:
        scorer = Scorer.from_folder(Path(folder), name, version)
    except ModelError as error:
        sys.exit(str(error))
    scorer.warm_up()
    return scorer


def describe_scorer(scorer: Scorer) -> dict[str, Any]:
    """Return the facts that a process sends to the router or command that started it; see `wire_protocol`."""
    return {"protocol": wire_protocol.VERSION, "classes": scorer.classes, "engine": scorer.engine}


def is_single_threaded() -> bool:
    """Return whether this is a Linux process with one thread, which may fork."""
    return sys.platform.startswith("linux") and len(os.listdir("/proc/self/task")) == 1


def answer_request(scorer: Scorer, body: bytes) -> Answer:
    """Answer a request. An unexpected error is logged, and the client only learns that the model failed."""
    try:
        return Answer(200, False, msgspec.json.encode(scorer.score(body)))  # `score` returns finite numbers only
    except RequestError as error:
        return Answer(error.status, error.code == "not_scored", _to_json(error.content()))
    except Exception:
        log.exception("The model failed.")
        failure = RequestError(500, "failed", "The model failed on this request; the endpoint's log has the details.")
        return Answer(500, True, _to_json(failure.content()))


def _to_json(content: object) -> bytes:
    return _encode(content).encode()
