"""A use case in a copy of its workspace: really served, asked, monitored and run."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib import backends
from lib.backends.base import Backend, Endpoint
from lib.backends.models import ModelRegistry, ModelVersion
from lib.chain import record as records
from lib.errors import DataError, StageError, format_count
from lib.monitoring.request_rows import list_days
from lib.parameters import Parameters
from lib.paths import ROOT
from lib.simulation.clients import Client
from lib.simulation.model_inputs import ModelInputs
from lib.simulation.passing_time import move_back
from lib.simulation.timeline import Timeline
from lib.simulation.workspace_copy import MONITORING
from lib.stages._served_model import ServedModel

TIMEOUT_SECONDS = 600
_POLL_SECONDS = 0.1
_MAX_OUTPUT = 2_000


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    Attributes
    ----------
    exit_code : int
    output, errors : str
        What it printed.
    """

    exit_code: int
    output: str
    errors: str


class SimulatedUseCase:
    """A use case in a copy of its workspace.

    Parameters
    ----------
    parameters : Parameters
        Of the copy, from `lib.simulation.workspace_copy.make_copy`.
    folder : Path
        The folder of the copy.
    report_folder : Path
        The folder of the report, to which pages are copied before the copy is deleted.
    timeline : Timeline

    Attributes
    ----------
    pages : list of (str, str)
        Title and file name of each page that was copied to the report.
    sent_rows : int
        Number of rows that the endpoint has answered, and so logs.
    """

    def __init__(self, parameters: Parameters, folder: Path, report_folder: Path, timeline: Timeline):
        self.parameters, self.folder, self.timeline = parameters, folder, timeline
        self.pages: list[tuple[str, str]] = []
        self._report_folder = report_folder
        self._request_numbers = itertools.count()
        self.sent_rows = 0

    @cached_property
    def backend(self) -> Backend:
        """The backend of the copy."""
        return backends.connect(self.parameters)

    @property
    def registry(self) -> ModelRegistry:
        """The model registry of the copy."""
        return self.backend.models(self.parameters.name)

    @cached_property
    def champion(self) -> ModelVersion:
        """The version in production when the simulation began.

        Raises
        ------
        DataError
            If there is none.
        """
        version = self.registry.production()
        if version is None:
            raise DataError(
                f"No version of {self.parameters.name} has the tag production, so there is nothing to simulate. Run "
                "the chain first."
            )
        return version

    @cached_property
    def served(self) -> ServedModel:
        """The champion, as monitoring sees it."""
        return ServedModel(self.backend, self.champion, self.parameters)

    @cached_property
    def test_rows(self) -> tuple[pd.DataFrame, np.ndarray]:
        """The test rows of the champion with the columns that requests have, and their true values."""
        rows, truth = self.served.test_rows
        return rows[self.served.columns], truth

    @cached_property
    def inputs(self) -> ModelInputs:
        """The inputs of the champion."""
        folder = self.backend.tracking.model_folder(self.champion.source, self.champion.sha256)
        return ModelInputs(folder, self.parameters)

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint of the copy."""
        return self.backend.endpoint(self.parameters.name)

    @property
    def request_log(self) -> Path:
        """The folder of the request log of the copy."""
        folder = self.backend.request_log(self.parameters.name)
        assert folder is not None, "the local backend has a request log"
        return folder

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of ``run_all.py``. Its working folder is that of the copy; its kernels work in the project's.

        The parameters of the copy are not added to the arguments.
        """
        return subprocess.Popen(
            [sys.executable, str(ROOT / "run_all.py"), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> Finished:
        """Wait for the end of a command."""
        try:
            output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return Finished(process.returncode, output, errors)

    def run(self, *arguments: str) -> Finished:
        """Execute a command of ``run_all.py`` with the parameters of the copy."""
        return self.finish(self.start(*arguments, "--params", str(self.folder / "parameters.yaml")))

    def deploy(self) -> None:
        """Serve the champion by an endpoint of the copy."""
        finished = self.run("--only", "deploy")
        if finished.exit_code:
            raise StageError(f"The copy cannot be served:\n{finished.errors[-_MAX_OUTPUT:]}")
        self.timeline.saw(f"Version {self.champion.version} is served by an endpoint of the copy.")

    def new_client(self) -> Client:
        """Return a client of the endpoint."""
        return Client(self.endpoint.status().url, self.endpoint.key())

    def serve_week(self, rows: pd.DataFrame, text: str) -> list[str]:
        """Send each row as a request, let a week pass, and return the id of each request.

        Parameters
        ----------
        rows : DataFrame
            The index of a row becomes a part of its request id, so that labels can be joined.
        text : str
            What is special about the rows, for the timeline.
        """
        ids = [self.request_id(label) for label in rows.index]
        with contextlib.closing(self.new_client()) as client:
            answers = client.send_rows(rows, ids)
        count = sum(answer.is_success for answer in answers)
        self.sent_rows += count
        self.timeline.did(f"Sent {format_count(len(rows), 'request')}: {text}")
        days = self.parameters.monitor_window_days
        self.timeline.saw(f"Answered {count} of them. {format_count(days, 'day')} pass.")
        self.wait_for_log(self.sent_rows)
        history = self.backend_data / MONITORING / "history.json"
        move_back(self.request_log, history, self.parameters.monitor_window_days)
        return ids

    def request_id(self, label: Any) -> str:
        """Return a new request id, which contains the label of a row."""
        return f"{label}-{next(self._request_numbers)}"

    @property
    def backend_data(self) -> Path:
        """The folder of the use case's tables in the copy."""
        return self.folder / "workspace" / "data" / self.parameters.name

    def count_logged_rows(self) -> int:
        """Return the number of rows in the request log."""
        import pyarrow.parquet as pq

        folders = [self.request_log / f"day={day}" for day in list_days(self.request_log)]
        count = 0
        for path in [path for folder in folders for path in folder.glob("*.parquet")]:
            with contextlib.suppress(FileNotFoundError):  # the endpoint has just merged the file into another one
                count += pq.read_metadata(path).num_rows
        return count

    def wait_for_log(self, rows: int) -> None:
        """Wait until the request log has a number of rows.

        Raises
        ------
        StageError
            If it does not within ten minutes.
        """
        wait_until(lambda: self.count_logged_rows() >= rows, f"the request log has {rows} rows")

    def monitor(self, title: str, *assignments: str) -> dict[str, Any]:
        """Look at the request log, and return the verdict for programs.

        Parameters
        ----------
        title : str
            Title of the link to the page.
        *assignments : str
            Parameters for this look, such as ``labels={...}``.
        """
        before = {*self.list_looks()}
        finished = self.run("monitor", *(part for pair in assignments for part in ("-p", pair)))
        folders = [folder for folder in self.list_looks() if folder not in before]
        if not folders or not (folders[0] / "monitor.json").is_file():
            raise StageError(f"The look ended with exit code {finished.exit_code}:\n{finished.errors[-_MAX_OUTPUT:]}")
        result: dict[str, Any] = json.loads((folders[0] / "monitor.json").read_text(encoding="utf-8"))
        self.timeline.saw(f"{title}: {result['verdict']}")
        self.keep_page(folders[0] / "06_monitor.html", title)
        return result

    def list_looks(self) -> list[Path]:
        """Return the folders of looks at the copy."""
        return sorted((self.folder / "runs").glob("monitor-*"))

    def newest_run(self) -> Path | None:
        """Return the folder of the newest run of the chain; None before the first."""
        return next(iter(records.list_newest_first(self.folder / "runs")), None)

    def keep_page(self, page: Path, title: str) -> None:
        """Copy a page to the report."""
        if not page.is_file():
            return
        name = f"{len(self.pages) + 1}-{page.name}"
        shutil.copy(page, self._report_folder / name)
        self.pages.append((title, name))

    def newest_page_contains(self, text: str) -> bool:
        """Return whether the page that was copied last contains a text."""
        name = self.pages[-1][1]
        return text in (self._report_folder / name).read_text(encoding="utf-8")


def wait_until(condition: Callable[[], bool], description: str, poll_seconds: float = _POLL_SECONDS) -> float:
    """Wait until a condition holds, and return the seconds that it took.

    Raises
    ------
    StageError
        If it does not hold in time.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > TIMEOUT_SECONDS:
            raise StageError(f"Waited {TIMEOUT_SECONDS} seconds in vain until {description}.")
        time.sleep(poll_seconds)
    return time.monotonic() - started


@contextlib.contextmanager
def stopping(use_case: SimulatedUseCase) -> Iterator[SimulatedUseCase]:
    """Stop the endpoint of the copy at the end of the ``with`` block."""
    try:
        yield use_case
    finally:
        if use_case.endpoint.exists():
            use_case.endpoint.stop()
