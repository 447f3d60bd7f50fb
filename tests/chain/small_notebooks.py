"""Small notebooks and a chain that runs them in a temporary folder, for tests."""

import json
import threading
import time

from lib.chain import notebooks, plan, running
from lib.chain.progress import Progress
from lib.chain.record import RunRecord
from lib.chain.reuse import Reuse
from lib.parameters import Parameters, load

BASE = load([]).values
_HAND_ON = """import types
from lib import outputs
mine = types.SimpleNamespace(publish_outputs=lambda **values: outputs.glue(values))"""
_MAX_WAIT_SECONDS = 240


def notebook(folder, name, *cells, parameters="", hand_on=""):
    """Write a notebook of code cells: parameters first, outputs last."""
    sources = [(parameters, ["parameters"]), (_HAND_ON, []), *[(cell, []) for cell in cells]]
    code = [
        {
            "cell_type": "code",
            "id": f"c{place}",
            "metadata": {"tags": tags},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for place, (source, tags) in enumerate([*sources, (f"mine.publish_outputs({hand_on})", [])])
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


class SmallChain:
    """Notebooks of a folder and their runs; `folder` is that of the newest run."""

    def __init__(self, tmp_path):
        self.notebooks, self.runs, self.workspace = tmp_path / "notebooks", tmp_path / "runs", tmp_path / "workspace"
        self.folder = None

    def write(self, name, *cells, **contract):
        """Write a notebook; see `notebook`."""
        notebook(self.notebooks, name, *cells, **contract)

    def parameters(self, **values):
        """Return the project's parameters, adapted to the small notebooks."""
        own = {"name": "example", "training_functions": ["one", "two"], "workspace": str(self.workspace)}
        return Parameters({**BASE, **own, "runs_folder": str(self.runs), **values})

    def run(self, *, record=None, reuse=False, progress=None, **values):
        """Run the notebooks, in a new folder or that of a record, and return all values."""
        parameters = self.parameters(**values)
        executions = plan.executions(notebooks.read_all(self.notebooks), parameters)
        record = record or RunRecord.new(self.runs, "example", parameters)
        self.folder = record.folder
        status = "failed"
        try:
            earlier = Reuse(parameters) if reuse else None
            result = running.run(executions, parameters, record, progress or Progress(len(executions)), earlier)
            status = "succeeded"
            return result
        finally:
            record.close(status)

    def resume(self, **values):
        """Resume the newest run."""
        return self.run(record=RunRecord.reopen(self.folder), **values)

    @property
    def stages(self):
        """Entries of the newest run's record."""
        return json.loads((self.folder / "run.json").read_text())["stages"]

    @property
    def statuses(self):
        """Stage and status of each execution, in the order of their starts."""
        return [(stage["stage"], stage["status"]) for stage in self.stages]

    def cells(self, name):
        """Return the code cells of an executed notebook."""
        return code_of(self.folder / name)

    def error(self, name):
        """Return the only error in an executed notebook."""
        (error,) = errors_of(self.cells(name))
        return error


def code_of(path):
    """Return the code cells of a notebook."""
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def errors_of(cells):
    """Return the errors in the outputs of cells."""
    return [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


def papermill_says(cells):
    """Return the status of each cell in papermill's metadata."""
    return [cell["metadata"]["papermill"]["status"] for cell in cells]


def wait_for(condition, what="the condition"):
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + _MAX_WAIT_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true in time"
        time.sleep(0.02)
    return value


def once(condition, action):
    """Call a function from another thread as soon as a condition holds."""

    def wait():
        wait_for(condition)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def touch(path):
    """Return a cell that writes its process id into a file, in one step."""
    return (
        f"import os, pathlib\n_part = pathlib.Path({str(path) + '.part'!r})\n"
        f"_part.write_text(str(os.getpid()))\n_part.replace({str(path)!r})"
    )


def touch_and_sleep(path):
    """Return a cell that writes its process id into a file and then sleeps longer than any test waits."""
    return f"{touch(path)}\nimport time\ntime.sleep(3600)"


def meet(folder, mine, other):
    """Return a cell that waits until another notebook's cell has reached the same point."""
    return (
        f"import pathlib, time\nfolder = pathlib.Path({str(folder)!r})\n(folder / {mine}).touch()\n"
        f"deadline = time.monotonic() + {_MAX_WAIT_SECONDS}\n"
        f"while not (folder / {other}).exists():\n"
        "    assert time.monotonic() < deadline, 'the other notebook did not come'\n    time.sleep(0.02)"
    )
