"""The program of an exported folder, which serves the folder's model without the project that exported it.

::

    python serve.py                      serve in the foreground, until Ctrl-C or SIGTERM
    python serve.py start|stop|status    serve in the background
    python serve.py key [--renew NAME]   print the key, or replace it first
    python serve.py logs|enable          print the log; start with the machine, by a systemd user unit

``export.json`` describes the model, see `Export`. Keys are created by the first start; an export contains none.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import psutil

from lib.errors import EndpointError
from lib.paths import ROOT
from lib.serving.deploying import systemd_unit
from lib.serving.deploying.endpoint import LocalEndpoint, RequestLogSettings
from lib.serving.deploying.status import RUNNING, EndpointStatus

DESCRIPTION_FILE = "export.json"
MODEL_FOLDER = "model"
DEFAULT_PORT = 8080
# The environment variable that names the folder of keys and logs; an image sets it.
FOLDER_VARIABLE = "MILLRACE_ENDPOINT_FOLDER"
_END_SECONDS = 20
_ACTIONS = {
    "run": "serve in the foreground, until Ctrl-C or SIGTERM (default)",
    "start": "serve in the background",
    "stop": "stop serving",
    "status": "show whether the model is served",
    "key": "print the key; with --renew, replace it first",
    "logs": "print the last lines of the log",
    "enable": "start with the machine, by a systemd user unit",
}


@dataclasses.dataclass(frozen=True)
class Export:
    """The content of ``export.json``.

    Attributes
    ----------
    name, version : str
        Name and version of the model, which answers repeat.
    sha256 : str
        SHA-256 of the model folder. A folder that was changed is not served.
    about : dict of str to str
        Facts about the model, which the page shows: ``target``, ``metric`` and ``score``.
    workers : int
        Number of worker processes.
    timeout_seconds : float
        Time limit of the start, and of each request.
    allowed_hosts : list of str
        Host names by which clients may address the endpoint, besides IP addresses and the machine's own name.
    request_log : dict
        Arguments of `RequestLogSettings`.
    """

    name: str
    version: str
    sha256: str
    about: dict[str, str]
    workers: int
    timeout_seconds: float
    allowed_hosts: list[str]
    request_log: dict


def main(arguments: list[str] | None = None) -> None:
    """Execute an action of the command line; a failure ends the program with a message and exit code 1."""
    options = _parse(arguments)
    export = Export(**json.loads((ROOT / DESCRIPTION_FILE).read_text(encoding="utf-8")))
    endpoint = LocalEndpoint(options.folder, export.name)
    try:
        _execute(options, export, endpoint)
    except EndpointError as error:
        sys.exit(str(error))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serve.py", description="Serve the model of this folder.")
    help_text = "; ".join(f"{action}: {meaning}" for action, meaning in _ACTIONS.items())
    parser.add_argument("action", nargs="?", choices=_ACTIONS, default="run", help=help_text)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1; 0.0.0.0: all)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"port to listen on ({DEFAULT_PORT})")
    folder = os.environ.get(FOLDER_VARIABLE, ROOT / "endpoint")
    parser.add_argument("--folder", type=Path, default=folder, help=f"folder of keys and logs ({folder})")
    parser.add_argument("--workers", type=int, help="number of worker processes (as in the project)")
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="host name by which clients address the endpoint, besides IP addresses; may be repeated",
    )
    parser.add_argument("--renew", choices=("primary", "secondary"), help="key to replace; the other one stays valid")
    parser.add_argument("--lines", type=int, default=50, help="number of log lines (50)")
    return parser.parse_args(arguments)


def _execute(options: argparse.Namespace, export: Export, endpoint: LocalEndpoint) -> None:
    if options.action == "run":
        sys.exit(_run(options, export, endpoint))
    elif options.action == "start":
        _print_status(_start(options, export, endpoint))
    elif options.action == "stop":
        _print_status(endpoint.stop())
    elif options.action == "status":
        _print_status(endpoint.status())
    elif options.action == "key":
        print(_renew_or_read_key(endpoint, options.renew))
    elif options.action == "logs":
        print(endpoint.logs(options.lines))
    else:
        print(systemd_unit.enable(endpoint.folder, endpoint.name))


def _start(options: argparse.Namespace, export: Export, endpoint: LocalEndpoint) -> EndpointStatus:
    """Serve the model in the background. An endpoint that serves it already is left as it is."""
    status = endpoint.status()
    if status.state == RUNNING and status.sha256 == export.sha256:
        return status
    return endpoint.deploy(
        ROOT / MODEL_FOLDER,
        export.version,
        host=options.host,
        port=options.port,
        sha256=export.sha256,
        workers=options.workers or export.workers,
        timeout_seconds=export.timeout_seconds,
        request_log=RequestLogSettings(**export.request_log),
        allowed_hosts=[*export.allowed_hosts, *options.allowed_host],
        about=export.about,
    )


def _run(options: argparse.Namespace, export: Export, endpoint: LocalEndpoint) -> int:
    """Serve the model until a signal arrives or the endpoint ends, and return the exit code.

    Raises
    ------
    EndpointError
        If the endpoint runs already, or does not start.
    """
    if endpoint.status().state == RUNNING:
        raise EndpointError(f"{export.name} is served already, from {endpoint.folder}. Stop it first: serve.py stop")

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        status = _start(options, export, endpoint)
        _print_status(status)
        # This process is the parent of the endpoint's process, whose end it has to await.
        psutil.Process(status.pid).wait()
        sys.stderr.write(f"The endpoint ended. Its log: {endpoint.log}\n")
        return 1
    finally:
        endpoint.stop()
        # A process that was still starting ends by itself.
        psutil.wait_procs(psutil.Process().children(), timeout=_END_SECONDS)


def _renew_or_read_key(endpoint: LocalEndpoint, renewed_name: str | None) -> str:
    keys = endpoint.keys()
    if not keys:
        raise EndpointError("There is no key before the first start. Run: serve.py start")
    return endpoint.renew_key(renewed_name) if renewed_name else keys["primary"]


def _print_status(status: EndpointStatus) -> None:
    version = status.version and f"version {status.version}"
    print(" ".join(filter(None, [f"{status.name}: {status.state}", status.url, version, status.detail])), flush=True)


if __name__ == "__main__":
    main()
