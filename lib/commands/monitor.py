"""Judge whether the served model still gets the rows that it was tested on: stable, look, act, or too few to say."""

from __future__ import annotations

import argparse
import datetime
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib.commands import _arguments
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    from lib.parameters import Parameters

NOTEBOOK, STAGE = "06_monitor.ipynb", "monitor"
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
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Execute the notebook, and print its verdict and where it is."""
    from lib.chain import notification

    parameters = _arguments.load_parameters(options)
    if options.data:
        _check_data(options.data)
    folder = _make_folder(parameters)
    outputs = _execute_notebook(folder, options, parameters)
    page = _write_page(folder / NOTEBOOK)
    result = make_result(parameters.name, outputs, page)
    (folder / "monitor.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(outputs["verdict"])
    print(f"Page: {display_path(page)}")
    notification.send_message(parameters.notify, make_message(result), DEFAULT_EVENTS)
    return EXIT_CODES[outputs["state"]]


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
    path.write_text(render_notebook(executed), encoding="utf-8")
    return path
