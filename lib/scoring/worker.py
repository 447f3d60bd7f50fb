"""A worker of the local endpoint: a process that answers requests with one model version.

``lib/forkserver`` calls `load` once and then forks a worker for each connection, so that a worker that died is
replaced in milliseconds, and the model is in memory only once. If the model has started threads, or on other systems
than Linux, forking is not safe; then that process is itself the only worker.

A worker ends when its connection is closed, as happens when the router ends for whatever reason.
"""

from __future__ import annotations

import gc
import json
import logging
import os
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
    """The target of a fork server; see `lib.forkserver.server.Target`.

    Parameters
    ----------
    scorer : Scorer
    """

    def __init__(self, scorer: Scorer):
        self._scorer = scorer
        self.can_fork = is_single_threaded()
        self.facts = facts_of(scorer)

    def before_fork(self) -> None:
        """Do nothing: the model is loaded."""

    def serve(self, connection: socket.socket) -> None:
        """Answer requests until the router closes the connection."""
        with connection.makefile("rb") as file:
            while (body := wire_protocol.read_request(file)) is not None:
                connection.sendall(wire_protocol.pack_answer(answer(self._scorer, body)))


def load(folder: str, name: str, version: str) -> Worker:
    """Load the model of a folder; a fork server calls this once.

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
    """Return the scorer of a model folder once it has answered the model's examples; exit if there is no such model."""
    try:
        scorer = Scorer.from_folder(Path(folder), name, version)
    except ModelError as error:
        sys.exit(str(error))
    scorer.warm_up()
    return scorer


def facts_of(scorer: Scorer) -> dict[str, Any]:
    """Return what a process that answers with a model tells whoever started it; see `wire_protocol`."""
    return {"protocol": wire_protocol.VERSION, "classes": scorer.classes, "form": scorer.form}


def is_single_threaded() -> bool:
    """Return whether this is a Linux process with one thread, which may fork."""
    return sys.platform.startswith("linux") and len(os.listdir("/proc/self/task")) == 1


def answer(scorer: Scorer, body: bytes) -> Answer:
    """Answer one request; unexpected errors are logged and hidden from the client."""
    try:
        return Answer(200, False, msgspec.json.encode(scorer.score(body)))  # all numbers are finite: the scorer checks
    except RequestError as error:
        return Answer(error.status, error.code == "not_scored", _json(error.content()))
    except Exception:
        log.exception("The model failed.")
        failure = RequestError(500, "failed", "The model failed on this request; the endpoint's log has the details.")
        return Answer(500, True, _json(failure.content()))


def _json(content: object) -> bytes:
    return _encode(content).encode()
