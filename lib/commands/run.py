"""Run the chain of notebooks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from lib import backends
from lib.chain import contracts, header, own_stages, plan, sealing, secret_search
from lib.chain import record as records
from lib.chain.plan import Execution
from lib.chain.record import RunRecord
from lib.chain.yaml_text import to_yaml
from lib.commands import _arguments
from lib.errors import DataError, ParameterError
from lib.evidence import identity
from lib.invocation import PROGRAM, command
from lib.parameters import BASE, Parameters, load
from lib.paths import display_path, resolve

_INTERRUPTED = 130
_MAX_LISTED_RUNS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    _arguments.add_parameter_options(parser)
    parser.add_argument(
        "--from", dest="first", metavar="STAGE", help="start at this stage, with the newest outputs of earlier stages"
    )
    parser.add_argument("--to", dest="last", metavar="STAGE", help="stop after this stage")
    parser.add_argument("--only", metavar="STAGE", help="run this stage alone")
    parser.add_argument("--dry-run", action="store_true", help="check everything and show what would run")
    parser.add_argument("--reuse", action="store_true", help="skip executions whose inputs and code have not changed")
    parser.add_argument("--resume", metavar="RUN", help="continue the run in this folder at its first unfinished stage")


def execute(options: argparse.Namespace, caused_by: Mapping[str, str] | None = None) -> int:
    """Check everything, then run the chain.

    Parameters
    ----------
    options : argparse.Namespace
    caused_by : mapping of str, optional
        ``verdict`` and ``page`` (relative to the run's folder) of the look by `monitor` that started the run.
    """
    if options.resume:
        return _resume(options)
    layers = _arguments.load_layers(options)
    chain = own_stages.read_chain(layers.values.get("stages"))
    parameters = contracts.resolve_parameters(layers, chain)
    executions = plan.list_executions(chain, parameters, options.first, options.last, options.only)
    if options.dry_run:
        return _show_plan(executions, parameters)
    cost = _show_cost(executions, parameters)
    backends.signer(parameters)  # raises before anything runs if the key cannot sign
    record = RunRecord.new(resolve(parameters.runs_folder), parameters.name, parameters)
    stages = {"first": options.first, "last": options.last, "only": options.only}
    record.note(
        plan={name: stage for name, stage in stages.items() if stage},
        **({"cost_estimate": cost} if cost else {}),
        started_by=identity.describe_start(options.params or [_arguments.EXAMPLE], options.assignments),
        **({"caused_by": dict(caused_by)} if caused_by else {}),
    )
    return _run(executions, parameters, record, options.reuse)


def _resume(options: argparse.Namespace) -> int:
    """Continue a run with the parameters and stages that it was started with."""
    if any([options.params, options.assignments, options.first, options.last, options.only]):
        raise ParameterError(
            "--resume uses the parameters and stages of the run that it continues. Remove --params, -p, --from, --to "
            "and --only."
        )
    folder = resolve(options.resume)
    if not (folder / records.RECORD).is_file():
        raise DataError(_describe_missing_run(folder))
    state = records.read(folder)
    layers = load([folder / records.PARAMETERS])
    chain = own_stages.read_chain(layers.values.get("stages"))
    parameters = contracts.resolve_parameters(layers, chain)
    executions = plan.list_executions(chain, parameters, **state.get("plan", {}))
    if options.dry_run:
        return _show_plan(executions, parameters)
    record = RunRecord.reopen(folder)
    record.note(resumed_by=[*state.get("resumed_by", []), identity.describe_start(parameter_files=[], assignments=[])])
    return _run(executions, parameters, record, options.reuse)


def _describe_missing_run(folder: Path) -> str:
    """Return the message for a folder that contains no run; it lists the newest unfinished runs in its parent."""
    problem = (
        f"{display_path(folder)} is not the folder of a run"
        if folder.exists()
        else f"There is no run {display_path(folder)}"
    )
    runs_folder = folder.parent if folder.parent.is_dir() else resolve(_load_defaults()["runs_folder"])
    unfinished = records.list_unfinished(runs_folder)[:_MAX_LISTED_RUNS]
    if not unfinished:
        return f"{problem}, and {display_path(runs_folder)} contains no run that can be resumed."
    listed = [f"  {display_path(run)}  ({status})" for run, status in unfinished]
    return "\n".join([f"{problem}. The newest runs that can be resumed:", *listed])


def _run(executions: Sequence[Execution], parameters: Parameters, record: RunRecord, reuse: bool) -> int:
    """Run the chain, then report, seal and notify, however it ends; return the exit code."""
    from lib.chain import notification, reporting

    try:
        return _execute_and_record(executions, parameters, record, reuse)
    finally:
        _search_for_secrets(record, parameters)
        report = reporting.write_report(record.folder)
        sealing.seal(record, parameters)
        reporting.write_index(record.folder.parent)
        notification.notify(parameters.notify, record.folder)
        if report:
            sys.stderr.flush()
            print(f"Report: {display_path(report)}", flush=True)


def _search_for_secrets(record: RunRecord, parameters: Parameters) -> None:
    """Redact what a run has written, however it ended; a run that succeeded was searched stage by stage before."""
    if message := secret_search.search_failed_run(record, parameters):
        state = records.read(record.folder)
        status = records.FAILED if state["status"] == records.SUCCEEDED else state["status"]
        record.note(status=status, error="\n".join(filter(None, [state.get("error"), message])))
        print(f"{PROGRAM}: {message}", file=sys.stderr)


def _execute_and_record(executions: Sequence[Execution], parameters: Parameters, record: RunRecord, reuse: bool) -> int:
    """Run the chain, close the record, print the outcome, and return the exit code."""
    from lib.chain import running
    from lib.chain.failures import StageFailed
    from lib.chain.progress import Progress
    from lib.chain.reuse import EarlierResults

    try:
        earlier_results = EarlierResults(parameters) if reuse else None
        values = running.run(executions, parameters, record, Progress(len(executions)), earlier_results)
    except StageFailed as error:
        record.close(error.status, str(error))
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        _show_how_to_resume(record)
        return error.exit_code
    except KeyboardInterrupt:
        record.close(records.INTERRUPTED)
        print(f"{PROGRAM}: interrupted. The finished notebooks are in {display_path(record.folder)}.", file=sys.stderr)
        _show_how_to_resume(record)
        return _INTERRUPTED
    except BaseException as error:
        record.close(records.FAILED, secret_search.redact_message(f"{type(error).__name__}: {error}"))
        raise
    record.close(records.SUCCEEDED)
    _show_result(values, record)
    return 0


def _show_how_to_resume(record: RunRecord) -> None:
    print(f"Continue from there: {command('--resume', record.folder)}", file=sys.stderr)


def _show_cost(executions: Sequence[Execution], parameters: Parameters) -> dict[str, float]:
    """Print and return the estimated cost of the run, if any. A cost above ``max_cost_usd`` raises a GateError."""
    estimate = backends.estimate(parameters, [execution.notebook.stage for execution in executions])
    if not estimate:
        return {}
    print(*estimate.lines, sep="\n", file=sys.stderr)
    return {"expected_usd": estimate.expected_usd, "maximum_usd": estimate.maximum_usd}


def _show_plan(executions: Sequence[Execution], parameters: Parameters) -> int:
    """Print the parameters, beginning with those that differ from the defaults, and the notebooks that would run.

    Raises
    ------
    ParameterError
        If a parameter names a column that the table does not have.
    """
    faults = header.find_column_faults(parameters)
    if faults:
        raise ParameterError(faults)
    defaults = _load_defaults()
    changed = {name for name, value in parameters.items() if (value or None) != (defaults.get(name) or None)}
    print(f"Different from {display_path(BASE)}:")
    for name in parameters:
        if name in changed:
            default = f"   # default: {to_yaml(defaults[name], on_one_line=True)}" if defaults.get(name) else ""
            print(f"{_format_parameter(name, parameters[name])}{default}")
    print(f"\nUnchanged from {display_path(BASE)}:")
    for name in parameters:
        if name not in changed:
            print(_format_parameter(name, parameters[name]))
    print(f"\nNotebooks to execute: {len(executions)}")
    for execution in executions:
        print(f"  {execution.label:<28} {display_path(execution.notebook.path)}")
    return 0


def _load_defaults() -> Mapping[str, Any]:
    """Return the defaults of all parameters."""
    return load([]).values


def _format_parameter(name: str, value: Any) -> str:
    return f"  {name}: {to_yaml(value, on_one_line=True)}"


def _show_result(values: Mapping[str, Any], record: RunRecord) -> None:
    """Print the decision, the folder of the executed notebooks, and how to use the endpoint."""
    print()
    if values.get("decision"):
        print(values["decision"])
    print(f"Executed notebooks: {display_path(record.folder)}")
    url = values.get("endpoint_url")
    if not url:
        return
    workspace = _workspace_options(values, record)
    key = command("endpoint", "key", values["name"], *workspace)
    request = display_path(backends.connect(Parameters(values)).local_copy(values["sample_request"]))
    print(f"Endpoint: {url}")
    print("\nSend it a request:")
    print(
        f'  curl -s {url} -H "Authorization: Bearer $({key})" '
        f"-H 'Content-Type: application/json' -d {quote(f'@{request}')}"
    )
    print("Stop it:")
    print(f"  {command('endpoint', 'stop', values['name'], *workspace)}")
    if values["backend"] == "local":  # endpoints on Azure have no page
        print(f"Try it in a browser: {url.removesuffix('score')}")


def _workspace_options(values: Mapping[str, Any], record: RunRecord) -> list[str | Path]:
    """Return the options with which other commands find the run's workspace; empty for the default workspace."""
    defaults = _load_defaults()
    if values["backend"] != defaults["backend"]:
        return ["--params", record.folder / records.PARAMETERS]
    if values["workspace"] != defaults["workspace"]:
        return ["-p", f"workspace={values['workspace']}"]
    return []
