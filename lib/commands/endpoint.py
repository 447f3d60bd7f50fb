"""Look after the endpoint of a use case."""

from __future__ import annotations

import argparse

from lib import backends
from lib.backends.base import EndpointStatus
from lib.commands import _parameters
from lib.errors import NameNotFound
from lib.parameters import Parameters, check

_ACTIONS = ("status", "stop", "logs", "key")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which endpoint."""
    parser.add_argument(
        "action", choices=_ACTIONS, help="status of all, or of one; stop it; show its last log lines; print its key"
    )
    parser.add_argument("name", nargs="?", help="of the use case; by default the one of the parameters")
    parser.add_argument("--lines", type=int, default=50, help="how many log lines (50)")
    _parameters.add(parser)


def execute(options: argparse.Namespace) -> int:
    """Find the endpoint, and do it."""
    parameters = Parameters(check(_parameters.layers(options)))
    backend = backends.connect(parameters)
    known = backend.endpoints()
    name = options.name or parameters.name
    if not (options.name or options.params) and len(known) == 1:
        name = known[0]
    if name not in known and (options.name or options.action != "status"):
        raise NameNotFound("endpoint", name, known, where=f"the workspace {parameters.workspace}")
    if options.action == "status" and not (options.name or options.params):
        for one in known or [name]:
            _show_status(backend.endpoint(one).status())
        return 0
    endpoint = backend.endpoint(name)
    if options.action == "logs":
        print(endpoint.logs(options.lines))
    elif options.action == "key":
        print(endpoint.key())
    else:
        _show_status(endpoint.stop() if options.action == "stop" else endpoint.status())
    return 0


def _show_status(status: EndpointStatus) -> None:
    version = status.version and f"version {status.version}"
    print(" ".join(filter(None, [f"{status.name}: {status.state}", status.url, version, status.detail])))
