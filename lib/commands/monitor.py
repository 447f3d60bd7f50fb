"""Judge whether the served model still gets the rows that it was tested on: stable, look, act, or too few to say."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib import backends
from lib.commands import _arguments
from lib.errors import ParameterError
from lib.evidence import identity
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    from lib.parameters import Parameters

NOTEBOOK, STAGE = "06_monitor.ipynb", "monitor"
RESULT = "monitor.json"
DEFAULT_EVENTS = ["act", "too_few_to_say"]
EXIT_CODES = {"stable": 0, "look": 0, "act": 3, "too few to say": 4}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for the rows and the parameters."""
    parser.add_argument(
        "--data",
        default="",
        metavar="DATA",
        help="a table of rows to judge; by default the requests that the endpoint has logged",
    )
    parser.add_argument(
        "--since-promotion",
        action="store_true",
        help="also compare the primary metric that was promised at promotion with what came",
    )
    parser.add_argument(
        "--acknowledge",
        metavar="REASON",
        help="end the hold of promotions after act (on_verdict: hold), and record why, instead of a look",
    )
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Execute the notebook, and print its verdict and where it is."""
    from lib.chain import notification

    parameters = _arguments.load_parameters(options)
    if options.acknowledge is not None:
        return _acknowledge(parameters, options.acknowledge.strip())
    if options.data:
        _check_data(options.data)
    folder = _make_folder(parameters)
    outputs = _execute_notebook(folder, options, parameters)
    page = _write_page(folder / NOTEBOOK)
    result = make_result(parameters.name, outputs, page)
    text = json.dumps(result, indent=1) + "\n"
    (folder / RESULT).write_text(text, encoding="utf-8")
    if not options.data:  # the rows were the endpoint's requests
        _tell_endpoint(parameters, text)
    print(outputs["verdict"])
    print(f"Page: {display_path(page)}")
    if options.since_promotion:
        print(describe_promise(result))
    notification.send_message(parameters.notify, make_message(result), DEFAULT_EVENTS)
    return _answer(result, options, parameters) or EXIT_CODES[outputs["state"]]


def _tell_endpoint(parameters: Parameters, verdict: str) -> None:
    """Write the verdict into the folder of a local endpoint, whose metrics include it."""
    from lib.serving.server.metrics.drift import VERDICT_FILE

    request_log = backends.connect(parameters).request_log(parameters.name)
    if request_log is not None and request_log.parent.is_dir():
        unfinished = request_log.parent / f"{VERDICT_FILE}.new"
        unfinished.write_text(verdict, encoding="utf-8")
        unfinished.replace(request_log.parent / VERDICT_FILE)


def _answer(result: Mapping[str, Any], options: argparse.Namespace, parameters: Parameters) -> int:
    """Do what ``on_verdict`` says after act; return the exit code of a chain that failed, else 0."""
    if result["state"] != "act" or parameters.on_verdict == "tell":
        return 0
    if parameters.on_verdict == "retrain":
        return _retrain(result, options, parameters)
    alarm = f"version {result['version']}, act since {result['acted_in']}"
    if backends.connect(parameters).models(parameters.name).promotion_hold.start(alarm, result["verdict"]):
        print("Nothing is promoted until somebody acknowledges this: run_all.py monitor --acknowledge REASON")
    return 0


def _retrain(result: Mapping[str, Any], options: argparse.Namespace, parameters: Parameters) -> int:
    """Run the chain on the newest data, with the same gates; return its exit code, or 0 if a gate blocked.

    The exit code of a look that says act is that of a gate that blocked, too.
    """
    from lib.commands import run

    print("Retraining, because on_verdict is retrain.", flush=True)
    # All folders of looks and of runs lie side by side.
    page = os.path.relpath(result["page"], resolve(parameters.runs_folder) / "run")
    chain = argparse.Namespace(
        params=options.params,
        assignments=options.assignments,
        first=None,
        last=None,
        only=None,
        dry_run=False,
        reuse=False,
        resume=None,
    )
    code = run.execute(chain, {"verdict": result["verdict"], "page": page})
    return 0 if code == EXIT_CODES["act"] else code


def _acknowledge(parameters: Parameters, reason: str) -> int:
    """End the hold of promotions, and print what it was."""
    if not reason:
        raise ParameterError("--acknowledge is empty; expected the reason, which is recorded in the model registry.")
    now = datetime.datetime.now(datetime.UTC)
    who_and_why = f"{identity.user_name()} on {now:%Y-%m-%d}: {reason}"
    held = backends.connect(parameters).models(parameters.name).promotion_hold.acknowledge(who_and_why)
    print(f"{parameters.name}: acknowledged by {who_and_why}. It was: {held}")
    return 0


def describe_promise(result: Mapping[str, Any]) -> str:
    """Return what was promised at promotion and what came since, in lines of text."""
    metric, promised = result["metric"], result["promised"]
    if not promised:
        return f"{metric} is undefined on the test rows, so nothing was promised."
    lines = [
        f"Promised at the promotion of version {result['version']}: {metric} {promised['value']:.4g} "
        f"({promised['low']:.4g} to {promised['high']:.4g}) on the test rows."
    ]
    for kind, count in (("realised", "labelled"), ("estimate", "rows")):
        windows = [score for score in result["scores"] if score[kind]]
        if not windows:
            lines.append(f"Came, {kind}: no window with enough {'labels' if kind == 'realised' else 'rows'} yet.")
            continue
        rows = sum(score[count] for score in windows)
        mean = sum(score[kind]["value"] * score[count] for score in windows) / rows
        outside = [s for s in windows if s[kind]["high"] < promised["low"] or s[kind]["low"] > promised["high"]]
        name = "realised" if kind == "realised" else "estimated without labels"
        lines.append(
            f"Came, {name}: {mean:.4g}, the mean of {rows:,} rows in {len(windows)} windows; in {len(outside)} of them "
            "the interval does not meet the promised one."
        )
    return "\n".join(lines)


def make_result(name: str, outputs: Mapping[str, Any], page: Path) -> dict[str, Any]:
    """Return the verdict for other programs, as `monitor.json` has it; docs/monitoring.md describes each key."""
    verdict = {key: outputs[key] for key in ("state", "verdict", "version")}
    return {"name": name, **verdict, "page": str(page), **outputs["summary"]}


def make_message(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that is posted to a webhook: the verdict, and the keys that each message has."""
    return {
        "text": f"{result['name']}: {result['verdict']}",
        "event": result["state"].replace(" ", "_"),
        **result,
        "run": result["page"],
        "status": result["state"],
        "stages": [],
    }


def _check_data(uri: str) -> None:
    """Raise a DataError if the table does not exist, before a kernel starts."""
    from lib.tables import databases, sources

    if not sources.is_remote(uri) and not databases.is_database(uri):
        sources.list_files(uri)


def _make_folder(parameters: Parameters) -> Path:
    """Create and return the folder of this look."""
    now = datetime.datetime.now(datetime.UTC)
    folder = resolve(parameters.runs_folder) / f"{STAGE}-{parameters.name}-{now:%Y%m%d-%H%M%S-%f}"
    folder.mkdir(parents=True)
    return folder


def _execute_notebook(folder: Path, options: argparse.Namespace, parameters: Parameters) -> dict[str, Any]:
    """Execute the notebook in a kernel, and return its outputs."""
    from lib import outputs
    from lib.chain import pages
    from lib.chain.executor import KernelExecutor
    from lib.chain.notebooks import FOLDER

    executed, use_case = folder / NOTEBOOK, folder / "parameters.yaml"
    use_case.write_text(yaml.safe_dump(dict(parameters), sort_keys=False, allow_unicode=True), encoding="utf-8")
    rows = str(_make_absolute(options.data)) if options.data else ""
    values: dict[str, Any] = {"use_case": display_path(use_case), "overrides": {}, "rows": rows}
    KernelExecutor(1, fork=False).execute(
        FOLDER / NOTEBOOK,
        executed,
        values,
        timeout_minutes=parameters.timeout_minutes.get(STAGE),
        cancelled=threading.Event(),
        report=print,
    )
    pages.make_standalone(FOLDER / NOTEBOOK, executed, [])
    return outputs.read(str(executed))


def _make_absolute(uri: str) -> str | Path:
    """Return the absolute path of a local table, because the notebook runs in the project's folder."""
    from lib.tables import databases, sources

    return uri if sources.is_remote(uri) or databases.is_database(uri) else resolve(uri)


def _write_page(executed: Path) -> Path:
    """Write an executed notebook as a page that loads nothing from other servers, and return its path."""
    from lib.evidence.report.notebook_page import render_notebook

    path = executed.with_suffix(".html")
    path.write_text(render_notebook(executed, has_report=False), encoding="utf-8")
    return path
