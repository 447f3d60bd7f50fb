"""The command line of ``run_all.py``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from lib import backends
from lib.backends.base import EndpointStatus
from lib.chain import contracts, notebooks, plan
from lib.chain import record as records
from lib.errors import MillraceError, NameNotFound
from lib.parameters import Parameters, check, load
from lib.paths import ROOT, resolve, shown

EXIT_CODES = {
    0: "done: every stage that was asked for went through",
    1: "a stage failed: the message names the executed notebook and the cell",
    2: "something you gave cannot be used: a parameter, a file, a column; the message says what to change",
    3: "a gate held: everything worked, and no version is fit for production",
    130: "interrupted by Ctrl-C or SIGTERM; no process is left behind",
}
EXAMPLE = ROOT / "parameters" / "flights.yaml"
_ENDPOINT_ACTIONS = ("status", "stop", "logs", "key")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; by default those of the process.

    Returns
    -------
    int
        Exit code; `EXIT_CODES` says what each means.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments[:1] == ["endpoint"]:
            return _endpoint(arguments[1:])
        return _run(arguments)
    except MillraceError as error:
        print(f"run_all.py: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("run_all.py: interrupted.", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run_all.py",
        description="Run the chain of notebooks, or look after its endpoint (run_all.py endpoint --help).",
        epilog="exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    )
    _add_parameters(parser)
    parser.add_argument(
        "--from", dest="first", metavar="STAGE", help="start at this stage, with the newest outputs of those before it"
    )
    parser.add_argument("--to", dest="last", metavar="STAGE", help="stop after this stage")
    parser.add_argument("--only", metavar="STAGE", help="run this stage alone")
    parser.add_argument("--dry-run", action="store_true", help="check everything and show what would run; run nothing")
    options = parser.parse_args(arguments)

    chain = notebooks.all_of()
    parameters = contracts.checked(load(options.params or [EXAMPLE], options.assignments), chain)
    steps = plan.steps(chain, parameters, options.first, options.last, options.only)
    if options.dry_run:
        return _show_plan(steps, parameters)
    return _execute(steps, parameters)


def _execute(steps: Sequence[plan.Step], parameters: Parameters) -> int:
    from lib.chain import running
    from lib.chain.progress import Progress

    record = records.RunRecord(resolve(parameters.runs_folder), parameters.name, parameters)
    try:
        values = running.run(steps, parameters, record, Progress(len(steps)))
    except running.StepFailed as error:
        record.close(error.status, str(error))
        raise
    except KeyboardInterrupt:
        record.close(records.INTERRUPTED)
        print(f"run_all.py: interrupted. What is done so far: {shown(record.folder)}", file=sys.stderr)
        return 130
    except BaseException as error:
        record.close(records.FAILED, f"{type(error).__name__}: {error}")
        raise
    record.close(records.SUCCEEDED)
    _show_result(values, record)
    return 0


def _show_plan(steps: Sequence[plan.Step], parameters: Parameters) -> int:
    for name, value in parameters.items():
        print(f"{name}: {value!r}")
    print()
    for step in steps:
        print(f"{step.label:<28} {shown(step.notebook.path)}")
    return 0


def _show_result(values: dict, record: records.RunRecord) -> None:
    if values.get("decision"):
        print(values["decision"])
    print(f"Executed notebooks: {shown(record.folder)}")
    if not values.get("endpoint_url"):
        return
    program = f"{_python()} run_all.py endpoint"
    where = "" if values["workspace"] == load([]).values["workspace"] else quote(f"workspace={values['workspace']}")
    where = where and f" -p {where}"
    request = shown(backends.connect(Parameters(values)).local_copy(values["sample_request"]))
    print(f"Endpoint: {values['endpoint_url']}")
    print("Ask it:")
    print(
        f'  curl -s {values["endpoint_url"]} -H "Authorization: Bearer $({program} key {values["name"]}{where})" '
        f"-H 'Content-Type: application/json' -d {quote(f'@{request}')}"
    )
    print(f"Stop it: {program} stop {values['name']}{where}")


def _python() -> str:
    """Path of Python as a person would type it: the environment's link, not what that points to."""
    program = Path(sys.executable)
    return str(program.relative_to(ROOT)) if program.is_relative_to(ROOT) else str(program)


def _endpoint(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run_all.py endpoint", description="Look after the endpoint of a use case.")
    parser.add_argument(
        "action",
        choices=_ENDPOINT_ACTIONS,
        help="status of all, or of one; stop it; show its last log lines; print its key",
    )
    parser.add_argument("name", nargs="?", help="of the use case; by default the one of the parameters")
    parser.add_argument("--lines", type=int, default=50, help="how many log lines (50)")
    _add_parameters(parser)
    options = parser.parse_args(arguments)
    parameters = Parameters(check(load(options.params or [EXAMPLE], options.assignments)))
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


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--params",
        nargs="+",
        action="extend",
        metavar="FILE",
        help=f"parameter files, laid over parameters/base.yaml in their order ({shown(EXAMPLE)})",
    )
    parser.add_argument(
        "-p",
        dest="assignments",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one parameter, over the files",
    )
