"""A use case in a checkout, workspace, temporary folder and disk of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from lib.chain import record as records
from lib.paths import ROOT

_TOP_FOLDERS = ("lib", "notebooks", "parameters", "custom", "data", "benchmarks", "pipelines")
_TOP_FILES = ("run_all.py", "pyproject.toml", "requirements.lock", "environment.yml")
_END_SECONDS = 30


class UseCase:
    """A use case that is run under faults.

    Parameters
    ----------
    folder : Path
        An existing folder, best on a disk of its own.
    params : str
        The use case's parameter file, relative to the checkout.
    clock_library : str
        Path of the library that shifts the clock.
    """

    TIMEOUT_SECONDS = 600

    def __init__(self, folder: Path, params: str, clock_library: str):
        self.folder, self._params = folder, params
        self.checkout, self.workspace, self.runs_folder = folder / "checkout", folder / "workspace", folder / "runs"
        self.temporary_folder, self.clock_file = folder / "tmp", folder / "clock"
        self._clock_library = clock_library
        self._process: subprocess.Popen[bytes] | None = None
        self.checkout.mkdir()
        self.temporary_folder.mkdir()
        self.clock_file.write_text("0")
        for name in _TOP_FOLDERS:
            shutil.copytree(ROOT / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in _TOP_FILES:
            shutil.copy(ROOT / name, self.checkout / name)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a run. Its output goes to a pipe that nobody reads any more once `close_output` was called."""
        pairs = [f"workspace={self.workspace}", f"runs_folder={self.runs_folder}"]
        arguments = ["--params", self._params, *(part for pair in pairs for part in ("-p", pair))]
        return subprocess.Popen(
            [sys.executable, "run_all.py", *(options or arguments)],
            cwd=self.checkout,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "output.txt").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def start_piped(self) -> subprocess.Popen[bytes]:
        """Start a run whose output is read by a program that `close_output` ends."""
        self._reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        pairs = [f"workspace={self.workspace}", f"runs_folder={self.runs_folder}"]
        arguments = ["--params", self._params, *(part for pair in pairs for part in ("-p", pair))]
        process = subprocess.Popen(
            [sys.executable, "run_all.py", *arguments],
            cwd=self.checkout,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._reader.stdin,
            stderr=(self.folder / "output.txt").open("ab"),
            start_new_session=True,
        )
        assert self._reader.stdin is not None
        self._reader.stdin.close()
        return process

    def close_output(self) -> None:
        """End the program that reads the run's output."""
        self._reader.kill()
        self._reader.wait()

    def resume(self) -> None:
        """Run until a run succeeds: resume unfinished runs, or start a new one if there is none."""
        for _ in range(3):
            states = [records.read_current(path) for path in records.list_newest_first(self.runs_folder)]
            if any(state["status"] == records.SUCCEEDED for state in states):
                return
            unfinished = records.list_unfinished(self.runs_folder)
            options = ["--resume", str(unfinished[0][0])] if unfinished else []
            self.start(*options).wait(self.TIMEOUT_SECONDS)
        raise AssertionError(f"no run succeeds without faults:\n{self.read_output()}")

    def find_false_records(self, exit_code: int) -> list[str]:
        """Return what is untrue in the records of the runs, after the chain has ended with an exit code."""
        faults = []
        for folder in records.list_newest_first(self.runs_folder):
            state = records.read_current(folder)
            if state["status"] == records.RUNNING:
                faults.append(f"{folder.name} is still running")
            if state["status"] == records.SUCCEEDED:
                faults += self._find_unfinished_stages(folder, state)
            for notebook in folder.glob("*.ipynb"):
                with contextlib.suppress(FileNotFoundError):
                    json.loads(notebook.read_text(encoding="utf-8"))
        statuses = [records.read_current(path)["status"] for path in records.list_newest_first(self.runs_folder)]
        if exit_code == 0 and records.SUCCEEDED not in statuses and statuses:
            faults.append(f"exit code 0, but the runs ended as {statuses}")
        return faults

    def _find_unfinished_stages(self, folder: Path, state: dict[str, Any]) -> list[str]:
        unfinished = [stage["stage"] for stage in state["stages"] if stage["status"] not in records.DONE]
        return [f"{folder.name} succeeded without {name}" for name in unfinished]

    def result(self) -> dict[str, Any]:
        """Return predictions and production version at the end, and stop the endpoint."""
        program = [sys.executable, "-m", "benchmarks._result", str(self.workspace)]
        finished = subprocess.run(program, cwd=self.checkout, env=self._environment(), capture_output=True, text=True)
        if finished.returncode:
            raise AssertionError(finished.stderr)
        result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
        return result

    def find_leftovers(self) -> list[str]:
        """Return the processes and temporary folders that remain some seconds after the end."""
        deadline = time.monotonic() + _END_SECONDS
        while (left := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left + [f"temporary {path.name}" for path in self.temporary_folder.iterdir()]

    def _processes(self) -> list[str]:
        """Return the command lines of the processes that have this use case's environment."""
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SOAK_CLOCK") == str(self.clock_file):
                    left.append(f"process {process.pid}: {' '.join(process.cmdline())[:200]}")
        return left

    def read_output(self) -> str:
        """Return the end of what the runs have printed."""
        return (self.folder / "output.txt").read_text(errors="replace")[-4000:]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TMPDIR": str(self.temporary_folder),
            "LD_PRELOAD": self._clock_library,
            "SOAK_CLOCK": str(self.clock_file),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPATH": str(self.checkout),
        }
