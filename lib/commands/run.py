"""Run the chain of notebooks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from lib import backends
from lib.chain import contracts, notebooks, plan
from lib.chain import record as records
from lib.chain.record import RunRecord
from lib.commands import _parameters
from lib.errors import ParameterError
from lib.parameters import Parameters, load
from lib.paths import ROOT, display_path, resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which parameters, and which part of the chain."""
    _parameters.add(parser)
    parser.add_argument(
        "--from", dest="first", metavar="STAGE", help="start at this stage, with the newest outputs of those before it"
    )
    parser.add_argument("--to", dest="last", metavar="STAGE", help="stop after this stage")
    parser.add_argument("--only", metavar="STAGE", help="run this stage alone")
    parser.add_argument("--dry-run", action="store_true", help="check everything and show what would run; run nothing")
    parser.add_argument("--reuse", action="store_true", help="skip what an earlier run did with the same of everything")
    parser.add_argument("--resume", metavar="RUN", help="go on with the run of this folder at the first stage not done")


def execute(options: argparse.Namespace) -> int:
    """Check everything, then run."""
    if options.resume:
        return _resume(options)
    chain = notebooks.all_of()
    parameters = contracts.checked(_parameters.layers(options), chain)
    executions = plan.executions(chain, parameters, options.first, options.last, options.only)
    if options.dry_run:
        return _show_plan(executions, parameters)
    _show_cost(executions, parameters)
    record = RunRecord.new(resolve(parameters.runs_folder), parameters.name, parameters)
    stages = {"first": options.first, "last": options.last, "only": options.only}
    record.note(plan={name: stage for name, stage in stages.items() if stage})
    return _run(executions, parameters, record, options.reuse)


def _resume(options: argparse.Namespace) -> int:
    """Go on with a run, with its own parameters and its own part of the chain."""
    others = [options.params, options.assignments, options.first, options.last, options.only]
    if any(others):
        raise ParameterError("--resume takes parameters and stages from the run itself; give it without others.")
    folder = resolve(options.resume)
    state = records.read(folder)
    chain = notebooks.all_of()
    parameters = contracts.checked(load([folder / records.PARAMETERS]), chain)
    executions = plan.executions(chain, parameters, **state.get("plan", {}))
    if options.dry_run:
        return _show_plan(executions, parameters)
    return _run(executions, parameters, RunRecord.reopen(folder), options.reuse)


def _run(executions: Sequence[plan.Execution], parameters: Parameters, record: RunRecord, reuse: bool) -> int:
    from lib.chain import running
    from lib.chain.failures import StageFailed
    from lib.chain.progress import Progress
    from lib.chain.reuse import Reuse

    try:
        earlier = Reuse(parameters) if reuse else None
        values = running.run(executions, parameters, record, Progress(len(executions)), earlier)
    except StageFailed as error:
        record.close(error.status, str(error))
        print(f"run_all.py: {error}", file=sys.stderr)
        _say_how_to_resume(record)
        return error.exit_code
    except KeyboardInterrupt:
        record.close(records.INTERRUPTED)
        print(f"run_all.py: interrupted. What is done so far: {display_path(record.folder)}", file=sys.stderr)
        _say_how_to_resume(record)
        return 130
    except BaseException as error:
        record.close(records.FAILED, f"{type(error).__name__}: {error}")
        raise
    record.close(records.SUCCEEDED)
    _show_result(values, record)
    return 0


def _say_how_to_resume(record: RunRecord) -> None:
    print(f"Go on from there: {_python()} run_all.py --resume {quote(display_path(record.folder))}", file=sys.stderr)


def _show_cost(executions: Sequence[plan.Execution], parameters: Parameters) -> None:
    """What a run will cost, where it costs something; it ends here where that is more than ``max_cost``."""
    estimate = backends.estimate(parameters, [one.notebook.stage for one in executions])
    if estimate:
        print(*estimate.lines, sep="\n", file=sys.stderr)


def _show_plan(executions: Sequence[plan.Execution], parameters: Parameters) -> int:
    for name, value in parameters.items():
        print(f"{name}: {value!r}")
    print()
    for one in executions:
        print(f"{one.label:<28} {display_path(one.notebook.path)}")
    return 0


def _show_result(values: dict, record: RunRecord) -> None:
    if values.get("decision"):
        print(values["decision"])
    print(f"Executed notebooks: {display_path(record.folder)}")
    if not values.get("endpoint_url"):
        return
    program = f"{_python()} run_all.py endpoint"
    where = _where(values, record)
    request = display_path(backends.connect(Parameters(values)).local_copy(values["sample_request"]))
    print(f"Endpoint: {values['endpoint_url']}")
    print("Ask it:")
    print(
        f'  curl -s {values["endpoint_url"]} -H "Authorization: Bearer $({program} key {values["name"]}{where})" '
        f"-H 'Content-Type: application/json' -d {quote(f'@{request}')}"
    )
    print(f"Stop it: {program} stop {values['name']}{where}")


def _where(values: dict, record: RunRecord) -> str:
    """Options by which another command finds what this run left: none where the defaults lead there."""
    defaults = load([]).values
    if values["backend"] != defaults["backend"]:
        return f" --params {quote(display_path(record.folder / records.PARAMETERS))}"
    workspace = values["workspace"]
    return "" if workspace == defaults["workspace"] else f" -p {quote(f'workspace={workspace}')}"


def _python() -> str:
    """Path of Python as a person would type it: the environment's link, not what that points to."""
    program = Path(sys.executable)
    return str(program.relative_to(ROOT)) if program.is_relative_to(ROOT) else str(program)
