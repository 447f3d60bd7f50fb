"""Look after the endpoint of a use case."""

from __future__ import annotations

import argparse

from lib import backends
from lib.backends.base import Endpoint, EndpointStatus
from lib.commands import _parameters
from lib.errors import NameNotFound, ParameterError
from lib.parameters import Parameters, check

_ACTIONS = {
    "status": "of all, or of one",
    "stop": "end it",
    "logs": "its last log lines",
    "key": "print its key; with --renew, make a new one first",
    "traffic": "give a new version --percent of the requests, and --mirror of the others for comparison",
    "rollback": "give all traffic back to the version before",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which endpoint."""
    meanings = "; ".join(f"{action}: {meaning}" for action, meaning in _ACTIONS.items())
    parser.add_argument("action", choices=_ACTIONS, help=meanings.replace("%", "%%"))
    parser.add_argument("name", nargs="?", help="of the use case; by default the one of the parameters")
    parser.add_argument("--lines", type=int, default=50, help="how many log lines (50)")
    parser.add_argument("--percent", type=float, help="of the requests, that the new version answers")
    parser.add_argument("--mirror", type=float, default=0, help="percent of the others that it is asked as well (0)")
    parser.add_argument("--renew", choices=("primary", "secondary"), help="the key to replace; the other stays valid")
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
    _do(options, backend.endpoint(name))
    return 0


def _do(options: argparse.Namespace, endpoint: Endpoint) -> None:
    if options.action == "logs":
        print(endpoint.logs(options.lines))
    elif options.action == "key":
        print(endpoint.renew_key(options.renew) if options.renew else endpoint.key())
    elif options.action == "traffic":
        for option, value in (("--percent", options.percent), ("--mirror", options.mirror)):
            if value is None or not 0 <= value <= 100:
                raise ParameterError(f"{option}: expected a number from 0 to 100, got {value}.")
        _show_status(endpoint.shift_traffic(options.percent, options.mirror))
    else:
        act = {"stop": endpoint.stop, "rollback": endpoint.roll_back, "status": endpoint.status}[options.action]
        _show_status(act())


def _show_status(status: EndpointStatus) -> None:
    version = status.version and f"version {status.version}"
    print(" ".join(filter(None, [f"{status.name}: {status.state}", status.url, version, status.detail])))
