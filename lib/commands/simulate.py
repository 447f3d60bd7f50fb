"""Let a fault befall a throw-away copy of the workspace, and report whether the system reacts as promised."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lib.commands import _arguments
from lib.errors import ParameterError
from lib.paths import display_path, resolve
from lib.simulation import scenarios

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.simulation.scenarios import Scenario

BROKEN_PROMISE = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the scenario, the folders and the parameters."""
    parser.add_argument(
        "scenario",
        type=_arguments.make_name_converter("scenario", scenarios.NAMES),
        metavar=f"{{{','.join(scenarios.NAMES)}}}",
        help="what happens to the copy; docs/monitoring.md describes each scenario and what the system promises",
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="folder of the report (default: a new one in runs_folder); it must be empty"
    )
    parser.add_argument("--scratch", metavar="FOLDER", help="keep the copy in this folder (default: a temporary one)")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Simulate a scenario; return 0 if all promises held, else `BROKEN_PROMISE`."""
    parameters = _arguments.load_parameters(options)
    scenario = scenarios.load(options.scenario)
    if options.scratch and hasattr(scenario, "SPARE_MEGABYTES"):
        raise ParameterError(f"--scratch: the copy of {options.scenario} is on a disk in memory and cannot be kept.")
    report_folder = _make_report_folder(options.out, options.scenario, parameters)
    with _scratch_folder(options.scratch, scenario, parameters) as folder:
        return _simulate(options.scenario, scenario, parameters, folder, report_folder)


def _simulate(name: str, scenario: Scenario, parameters: Parameters, folder: Path, report_folder: Path) -> int:
    """Copy the workspace, run the scenario in the copy, and write the report, however it ends."""
    from lib.simulation.report import describe_verdict, write_report
    from lib.simulation.timeline import Timeline
    from lib.simulation.use_case import SimulatedUseCase, stopping
    from lib.simulation.workspace_copy import make_copy

    timeline = Timeline(lambda line: print(line, flush=True))
    copied = make_copy(parameters, folder)
    use_case = SimulatedUseCase(copied, folder, report_folder, timeline)
    failure = "The simulation was interrupted."
    try:
        use_case.champion  # noqa: B018 (raises before anything is started)
        timeline.did("Copied the workspace.")
        with stopping(use_case):
            scenario.run(use_case)
        failure = ""
    except Exception as error:
        failure = f"The simulation stopped early: {error}"
        raise
    finally:
        page = write_report(
            report_folder, name, parameters.name, scenario.DESCRIPTION, timeline, use_case.pages, failure
        )
        print(describe_verdict(timeline, failure))
        print(f"Report: {display_path(page)}")
    return 0 if timeline.is_held else BROKEN_PROMISE


def _make_report_folder(out: str | None, scenario: str, parameters: Parameters) -> Path:
    """Create and return the folder of the report."""
    now = datetime.datetime.now(datetime.UTC)
    default = f"simulate-{scenario}-{parameters.name}-{now:%Y%m%d-%H%M%S-%f}"
    folder = resolve(out) if out else resolve(parameters.runs_folder) / default
    _make_empty_folder(folder, "--out")
    return folder


@contextlib.contextmanager
def _scratch_folder(scratch: str | None, scenario: Scenario, parameters: Parameters) -> Iterator[Path]:
    """Yield an empty folder for the copy, on a small disk if the scenario needs one."""
    from lib.simulation.faults import small_disk
    from lib.simulation.workspace_copy import measure_copy

    with contextlib.ExitStack() as stack:
        if scratch:
            folder = resolve(scratch)
            _make_empty_folder(folder, "--scratch")
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simulate-")))
        if spare_megabytes := getattr(scenario, "SPARE_MEGABYTES", 0):
            # A run writes about as much as the workspace has already.
            stack.enter_context(small_disk(folder, spare_megabytes + 2 * measure_copy(parameters) // 2**20))
        yield folder


def _make_empty_folder(folder: Path, option: str) -> None:
    """Create a folder.

    Raises
    ------
    ParameterError
        If it exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ParameterError(f"{option}: {display_path(folder)} is not an empty folder. Name a new one.")
    folder.mkdir(parents=True, exist_ok=True)
