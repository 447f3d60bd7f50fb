"""Show how far a run is: its stages, the running cells, the time, the memory and the last lines of output."""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.chain import record as records
from lib.chain.notebook_progress import NotebookProgress, read_progress
from lib.commands import _runs
from lib.paths import display_path

_REFRESH_SECONDS = 1.0
_STALE_SECONDS = 60
_MARKS = {
    records.SUCCEEDED: "✓",
    records.REUSED: "✓",
    records.RUNNING: "…",
    records.FAILED: "✗",
    records.HELD: "✗",
}
_CLEAR_SCREEN = "\x1b[H\x1b[2J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    _runs.add_run_argument(parser)
    parser.add_argument("--follow", action="store_true", help="show the status again and again until the run ends")
    parser.add_argument("--lines", type=int, default=5, metavar="N", help="last lines of output per stage (default: 5)")


def execute(options: argparse.Namespace) -> int:
    """Print the status of a run, with ``--follow`` until the run ends."""
    folder = _runs.find_run(options)
    shown: list[str] = []
    while True:
        state = records.read_current(folder)
        lines = list(format_status(folder, state, max(0, options.lines), datetime.datetime.now(datetime.UTC)))
        if sys.stdout.isatty() and options.follow:
            print(_CLEAR_SCREEN + "\n".join(lines), flush=True)
        else:  # a file or a pipe gets each new line once; the first line, with the times, only at the beginning
            new_lines = [line for line in lines[1 if shown else 0 :] if line not in shown]
            print("\n".join(new_lines), end="\n" if new_lines else "", flush=True)
        shown = lines
        if not options.follow or state["status"] != records.RUNNING:
            return 0
        time.sleep(_REFRESH_SECONDS)


def format_status(folder: Path, state: dict[str, Any], line_count: int, now: datetime.datetime) -> Iterator[str]:
    """Yield the lines of a run's status.

    Parameters
    ----------
    folder : Path
        The run's folder.
    state : dict
        The content of ``run.json``.
    line_count : int
        Number of lines of output to show for each running or failed stage.
    now : datetime
        The current time, with a time zone.
    """
    yield f"{display_path(folder)}: {_describe_run(state, now)}"
    for stage in state["stages"]:
        is_running = stage["status"] == records.RUNNING
        seconds = _seconds_since(stage["started"], now) if is_running else stage.get("seconds", 0)
        progress = read_progress(folder / stage["notebook"]) if "notebook" in stage else None
        cell = f"  {_describe_cell(progress)}" if progress and is_running else ""
        mark = _MARKS.get(stage["status"], "✗")
        yield f"{mark} {stage['stage']:<28} {stage['status']:<11} {seconds:7.1f} s{cell}".rstrip()
        if progress and line_count and stage["status"] not in records.DONE:
            yield from (f"    {line}" for line in progress.output_lines[-line_count:])
    if state.get("error"):
        yield state["error"]


def _describe_run(state: dict[str, Any], now: datetime.datetime) -> str:
    """Return the status of a run, its duration and, while it is running, its process, memory and heartbeat."""
    running = state["status"] == records.RUNNING
    until = now if running or "ended" not in state else datetime.datetime.fromisoformat(state["ended"])
    duration = datetime.timedelta(seconds=round(_seconds_since(state["started"], until)))
    if not running:
        return f"{state['status']} after {duration}" if "ended" in state else state["status"]
    facts = [f"running for {duration}", f"process {state.get('pid')}"]
    beat = state.get("heartbeat")
    if beat:
        facts.append(f"{beat['memory_megabytes']:,} MB of memory")
        age_seconds = _seconds_since(beat["time"], now)
        if age_seconds > _STALE_SECONDS:
            facts.append(f"no sign of life for {age_seconds:.0f} s")
    return ", ".join(facts)


def _describe_cell(progress: NotebookProgress) -> str:
    if not progress.cell_number:
        return f"starting, {progress.cell_count} cells"
    return f"cell {progress.cell_number} of {progress.cell_count}: {progress.source_line}"


def _seconds_since(started: str, now: datetime.datetime) -> float:
    return max(0.0, (now - datetime.datetime.fromisoformat(started)).total_seconds())
