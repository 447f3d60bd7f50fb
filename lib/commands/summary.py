"""Summarise a run in Markdown: decision, scores, gates, stages and what is not known; or the verdict of monitor."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.chain import record as records
from lib.commands import _runs
from lib.commands.monitor import RESULT, STAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    _runs.add_run_argument(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the report of a run in Markdown, for the page of a build or a comment on a pull request."""
    from lib.evidence.report.markdown import render_markdown
    from lib.evidence.report.run_files import read_run

    newest_look = _find_newest_look(options)
    if newest_look is not None:
        print(describe_look(json.loads(newest_look.read_text(encoding="utf-8"))))
        return 0
    folder = _runs.find_run(options)
    print(render_markdown(read_run(folder, records.read_current(folder))))
    return 0


def _find_newest_look(options: argparse.Namespace) -> Path | None:
    """Return the verdict of monitoring if no run is named and none is newer; else None."""
    if options.run:
        return None
    runs_folder = _runs.find_runs_folder(options)
    looks = list(runs_folder.glob(f"{STAGE}-*/{RESULT}"))
    runs = [folder / records.RECORD for folder in records.list_newest_first(runs_folder)]
    newest = max([*looks, *runs], key=lambda path: path.stat().st_mtime_ns, default=None)
    return newest if newest in looks else None


def describe_look(result: Mapping[str, Any]) -> str:
    """Return a verdict of monitoring in Markdown.

    Examples
    --------
    >>> print(describe_look({"name": "shop", "state": "stable", "verdict": "stable: version 1.", "drifted": []}))
    ## shop: stable
    <BLANKLINE>
    stable: version 1.
    """
    lines = [f"## {result['name']}: {result['state']}", "", result["verdict"]]
    if result["drifted"]:
        lines += ["", "| drifted | since | what changed |", "| --- | --- | --- |"]
        lines += [f"| {d['column']} | {d['since'][:10]} | {d['change']} |" for d in result["drifted"]]
    return "\n".join(lines)
