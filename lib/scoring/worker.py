"""The process of one model version, and the workers that are forked from it.

::

    python -m lib.scoring.worker <deployment folder> --name ... --version ... --channel <descriptor>

It loads the model once. For each socket it is then sent on the channel it forks a worker, which answers on that
socket one request after the other: so a worker that died is replaced in milliseconds, and the model is in memory
once. A fork of a process with threads may hang, so where the model has started some, and where there is no Linux,
this process is the one worker itself.

Each ends when its socket is closed, as happens when the router ends, however it does.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from lib.scoring import wire_protocol
from lib.scoring.model_folder import ModelError
from lib.scoring.request_error import RequestError
from lib.scoring.scorer import Scorer

log = logging.getLogger("lib.serving")
# A request is mostly there whole, and is then read in one go.
READ_BYTES = 2**18


def can_fork() -> bool:
    """Whether this process is Linux' and has one thread."""
    return sys.platform.startswith("linux") and len(os.listdir("/proc/self/task")) == 1


def answer(scorer: Scorer, body: bytes) -> wire_protocol.Answer:
    """Answer one request; the log has what the client is not told."""
    try:
        return wire_protocol.Answer(
            200, False, msgspec.json.encode(scorer.score(body))
        )  # finite: the scorer has looked
    except RequestError as refusal:
        return wire_protocol.Answer(refusal.status, refusal.code == "not_scored", _json(refusal.content()))
    except Exception:
        log.exception("The model failed.")
        refusal = RequestError(500, "failed", "The model failed on this request; the endpoint's log says how.")
        return wire_protocol.Answer(500, True, _json(refusal.content()))


def serve(connection: socket.socket, scorer: Scorer) -> None:
    """Answer requests until the other side hangs up; the first frame is this process's id."""
    with connection, connection.makefile("rb", READ_BYTES) as file:
        connection.sendall(wire_protocol.answer(wire_protocol.Answer(0, False, str(os.getpid()).encode())))
        while (body := wire_protocol.read_request(file)) is not None:
            connection.sendall(wire_protocol.answer(answer(scorer, body)))


def run(channel: socket.socket, scorer: Scorer) -> None:
    """Fork a worker for each socket that comes, or be the worker."""
    gc.collect()
    gc.freeze()  # what is loaded stays: no collection looks through it again, in no fork either
    forks = can_fork()
    if forks:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are not waited for
    channel.sendall(_json({"classes": scorer.classes, "form": scorer.form, "forks": forks}) + b"\n")
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not data:
            return
        connection = socket.socket(fileno=descriptors[0])
        if not forks:
            serve(connection, scorer)
        elif os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            channel.close()
            _serve_and_end(connection, scorer)
        connection.close()


def _serve_and_end(connection: socket.socket, scorer: Scorer) -> None:
    """As a fork: nothing of the process that was forked is run on, or cleaned up, here."""
    try:
        serve(connection, scorer)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the router hung up while an answer was on its way
    except BaseException:
        log.exception("A worker ended.")
    finally:
        os._exit(0)


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def _json(content: object) -> bytes:
    return _encode(content).encode()


def main() -> None:
    """Load the model of a deployment folder, and answer."""
    parser = argparse.ArgumentParser(prog="python -m lib.scoring.worker")
    parser.add_argument("folder", type=Path, help="holds the folder `model`")
    parser.add_argument("--name", required=True, help="of the model, said in answers")
    parser.add_argument("--version", required=True, help="of the model, said in answers")
    parser.add_argument("--sha256", help="what the digest of the model must be")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the socket to the router")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    channel = socket.socket(fileno=given.channel)
    channel.set_inheritable(False)  # else what the model may start would hold it open
    try:
        scorer = Scorer.from_folder(given.folder / "model", given.name, given.version, given.sha256)
        scorer.warm_up()
    except ModelError as refused:
        sys.exit(str(refused))
    run(channel, scorer)


if __name__ == "__main__":
    main()
