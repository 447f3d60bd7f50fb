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
from lib.commands import _parameters
from lib.parameters import Parameters, load
from lib.paths import ROOT, resolve, shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which parameters, and which part of the chain."""
    _parameters.add(parser)
    parser.add_argument(
        "--from", dest="first", metavar="STAGE", help="start at this stage, with the newest outputs of those before it"
    )
    parser.add_argument("--to", dest="last", metavar="STAGE", help="stop after this stage")
    parser.add_argument("--only", metavar="STAGE", help="run this stage alone")
    parser.add_argument("--dry-run", action="store_true", help="check everything and show what would run; run nothing")


def execute(options: argparse.Namespace) -> int:
    """Check everything, then run."""
    chain = notebooks.all_of()
    parameters = contracts.checked(_parameters.layers(options), chain)
    steps = plan.steps(chain, parameters, options.first, options.last, options.only)
    if options.dry_run:
        return _show_plan(steps, parameters)
    return _run(steps, parameters)


def _run(steps: Sequence[plan.Step], parameters: Parameters) -> int:
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
