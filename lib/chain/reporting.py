"""The report of a run that has ended, its notebooks as pages, and the list of all runs."""

from __future__ import annotations

import sys
from pathlib import Path

from lib.chain import record as records
from lib.invocation import PROGRAM
from lib.paths import display_path


def write_report(run_folder: Path) -> Path | None:
    """Write ``report.html`` and a page for each executed notebook into the folder of a run that has ended.

    If that fails, say so on stderr: the result of the run stands without its report.

    Returns
    -------
    Path or None
        The report; None if it could not be written.
    """
    from lib.evidence.report.html_page import render_report, write
    from lib.evidence.report.notebook_page import render_notebook
    from lib.evidence.report.run_files import REPORT, read_run

    report = run_folder / REPORT
    try:
        for notebook in sorted(run_folder.glob("*.ipynb")):
            write(render_notebook(notebook), notebook.with_suffix(".html"))
        write(render_report(read_run(run_folder, records.read_current(run_folder))), report)
    except Exception as error:  # whatever a stage has published, it must not change how the run ends
        _complain(f"{display_path(run_folder)} has no report", error)
        return None
    return report


def write_index(runs_folder: Path) -> None:
    """Write the list of all runs. If that fails, say so on stderr."""
    from lib.evidence.report import runs_index

    try:
        runs_index.write_index(runs_folder)
    except Exception as error:
        _complain(f"{display_path(runs_folder / runs_index.INDEX)} could not be written", error)


def _complain(problem: str, error: Exception) -> None:
    print(f"{PROGRAM}: {problem}: {type(error).__name__}: {error}", file=sys.stderr)
