"""Show or change a use case's endpoint."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lib import backends
from lib.backends.base import Backend, Endpoint, EndpointStatus
from lib.commands import _arguments
from lib.errors import NameNotFound, ParameterError
from lib.invocation import command
from lib.parameters import Parameters

_ACTIONS = {
    "status": "show one endpoint, or all",
    "stop": "stop the endpoint",
    "start": "start it again after a stop or a restart of the machine, on its port and with its keys",
    "enable": "have it started with the machine, by a systemd user unit",
    "logs": "print the last lines of the log",
    "key": "print the key; with --renew, replace it first",
    "traffic": "send --percent of the requests to the new version, and a copy of --mirror percent of the other ones",
    "export": "write a folder, and with --image a container image, that serve a version elsewhere",
    "rollback": "send all requests to the previous version again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    help_text = "; ".join(f"{action}: {meaning}" for action, meaning in _ACTIONS.items())
    parser.add_argument(
        "action",
        type=_arguments.make_name_converter("action", _ACTIONS),
        metavar=f"{{{','.join(_ACTIONS)}}}",
        help=help_text,
    )
    parser.add_argument("name", nargs="?", help="name of the endpoint; not needed if there is only one")
    parser.add_argument("--lines", type=int, default=50, help="number of log lines (default: 50)")
    parser.add_argument("--percent", type=float, help="share of the requests that the new version answers")
    parser.add_argument(
        "--mirror", type=float, default=0, help="percent of the other requests copied to the new version (default: 0)"
    )
    parser.add_argument("--renew", choices=("primary", "secondary"), help="key to replace; the other one stays valid")
    parser.add_argument("--to", metavar="DIR", help="folder that export writes; it must not exist, or be empty")
    parser.add_argument("--image", metavar="FILE.tar", help="container image that export writes, too")
    parser.add_argument("--base", metavar="IMAGE", help="image with Python, as an OCI archive or folder, for --image")
    parser.add_argument("--version", help="version to export (default: the one in production)")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Find the endpoint and execute the action."""
    parameters = _arguments.load_parameters(options, announce=False)
    backend = backends.connect(parameters)
    known = backend.endpoints()
    if options.action == "export":
        _export(options, backend, parameters, known)
        return 0
    if options.action == "status" and not (options.name or options.params):
        for name in known:
            _show_status(backend.endpoint(name).status())
        if not known:
            print(f"There is no endpoint in the workspace {parameters.workspace} yet.")
        return 0
    _execute_action(options, backend.endpoint(_choose_endpoint(options, parameters, known)))
    return 0


def _export(options: argparse.Namespace, backend: Backend, parameters: Parameters, known: Sequence[str]) -> None:
    """Export a version. The model may never have been deployed, so that any name is accepted."""
    from lib.commands._endpoint_export import export_endpoint

    name = options.name or (parameters.name if options.params else _choose_endpoint(options, parameters, known))
    export_endpoint(options, backend, parameters, name)


def _choose_endpoint(options: argparse.Namespace, parameters: Parameters, known: Sequence[str]) -> str:
    """Return the name of the endpoint to act on. If the command line does not name it, print the name.

    Raises
    ------
    NameNotFound
        If there is no such endpoint.
    ParameterError
        If no endpoint is named and there are none or several.
    """
    workspace = f"the workspace {parameters.workspace}"
    if options.name or options.params:
        name = options.name or parameters.name
        if name not in known and (options.name or options.action != "status"):
            raise NameNotFound("endpoint", name, known, where=workspace)
        return name
    if not known:
        raise ParameterError(f"There is no endpoint in {workspace}. Deploy one first: {command()}")
    if len(known) > 1:
        raise ParameterError(
            f"There are {len(known)} endpoints in {workspace}: {', '.join(known)}. Name the one you mean, e.g. "
            f"{command('endpoint', options.action, known[0])}"
        )
    print(f"No name given: using the only endpoint, {known[0]}.", file=sys.stderr)
    return known[0]


def _execute_action(options: argparse.Namespace, endpoint: Endpoint) -> None:
    """Execute the action of the command line on an endpoint, and print the result."""
    if options.action == "logs":
        print(endpoint.logs(options.lines))
    elif options.action == "enable":
        print(endpoint.enable())
    elif options.action == "key":
        print(endpoint.renew_key(options.renew) if options.renew else endpoint.key())
    elif options.action == "traffic":
        for option, value in (("--percent", options.percent), ("--mirror", options.mirror)):
            if value is None or not 0 <= value <= 100:
                raise ParameterError(f"{option}: expected a number from 0 to 100, got {value}.")
        _show_status(endpoint.shift_traffic(options.percent, options.mirror))
    else:
        actions = {
            "stop": endpoint.stop,
            "start": endpoint.start,
            "rollback": endpoint.roll_back,
            "status": endpoint.status,
        }
        _show_status(actions[options.action]())


def _show_status(status: EndpointStatus) -> None:
    version = status.version and f"version {status.version}"
    print(" ".join(filter(None, [f"{status.name}: {status.state}", status.url, version, status.detail])))
