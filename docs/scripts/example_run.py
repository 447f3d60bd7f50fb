"""A real run of the penguins example, for the gallery and the pictures."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "docs"


@dataclass(frozen=True)
class ExampleRun:
    """A finished run whose endpoint is up.

    Attributes
    ----------
    notebooks : Path
        Folder of the executed notebooks.
    command, output : str
        What a person types, and what the terminal shows.
    """

    notebooks: Path
    command: str
    output: str


def run_all(*arguments: str) -> str:
    """Run a command of run_all.py in the example's workspace, and return what it prints."""
    folder = FOLDER.relative_to(ROOT)
    assignments = ("-p", f"workspace={folder}/workspace", "-p", f"runs_folder={folder}/runs")
    command = [sys.executable, "run_all.py", *arguments, "--params", "parameters/penguins.yaml", *assignments]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout}")
    return result.stdout


@contextmanager
def example_run() -> Iterator[ExampleRun]:
    """Run the penguins example in build/docs, and stop its endpoint afterwards."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    output = run_all()
    try:
        notebooks = max((FOLDER / "runs").glob("*/run.json")).parent
        yield ExampleRun(notebooks, 'make run ARGS="--params parameters/penguins.yaml"', output)
    finally:
        run_all("endpoint", "stop", "penguins")
