"""Small notebooks and a chain that runs them in a temporary folder, for tests."""

import json
import threading
import time

from lib.chain import notebooks, plan, running
from lib.chain.progress import Progress
from lib.chain.record import RunRecord
from lib.chain.reuse import EarlierResults
from lib.parameters import Parameters, load

BASE = load([]).values
_PIPELINE = """import types
from lib import outputs
pipeline = types.SimpleNamespace(publish_outputs=lambda **values: outputs.glue(values))"""
_MAX_WAIT_SECONDS = 240


def notebook(folder, name, *cells, parameters="", outputs=""):
    """Write a notebook.

    Parameters
    ----------
    folder : Path
    name : str
        File name.
    *cells : str
        Code cells between the parameters and the outputs.
    parameters : str
        Code of the parameters cell.
    outputs : str
        Arguments of the last cell's call of ``publish_outputs``, e.g. ``"answer=42"``.
    """
    sources = [(parameters, ["parameters"]), (_PIPELINE, []), *[(cell, []) for cell in cells]]
    code = [
        {
            "cell_type": "code",
            "id": f"c{place}",
            "metadata": {"tags": tags},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for place, (source, tags) in enumerate([*sources, (f"pipeline.publish_outputs({outputs})", [])])
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


class SmallChain:
    """Small notebooks in a temporary folder, and their runs.

    Attributes
    ----------
    notebooks, runs, workspace : Path
        Folders of the notebooks, of all runs, and of the local backend.
    folder : Path or None
        Folder of the newest run.
    """

    def __init__(self, tmp_path):
        self.notebooks, self.runs, self.workspace = tmp_path / "notebooks", tmp_path / "runs", tmp_path / "workspace"
        self.folder = None

    def write(self, name, *cells, **contract):
        """Write a notebook; see `notebook`."""
        notebook(self.notebooks, name, *cells, **contract)

    def parameters(self, **values):
        """Return the project's parameters, adapted to the small notebooks."""
        changes = {"name": "example", "training_functions": ["one", "two"], "workspace": str(self.workspace)}
        return Parameters({**BASE, **changes, "runs_folder": str(self.runs), **values})

    def run(self, *, record=None, reuse=False, progress=None, **values):
        """Run the notebooks in a new folder, or in that of a record; return parameters and outputs by name."""
        parameters = self.parameters(**values)
        executions = plan.list_executions(notebooks.read_all(self.notebooks), parameters)
        record = record or RunRecord.new(self.runs, "example", parameters)
        self.folder = record.folder
        status = "failed"
        try:
            earlier = EarlierResults(parameters) if reuse else None
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
        """The entries of the newest run, one per execution."""
        return json.loads((self.folder / "run.json").read_text())["stages"]

    @property
    def statuses(self):
        """Stage and status of each execution of the newest run, in the order of their starts."""
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


def cell_statuses(cells):
    """Return the status of each cell in papermill's metadata."""
    return [cell["metadata"]["papermill"]["status"] for cell in cells]


def wait_for(condition, description="the condition"):
    """Wait until a condition returns a true value, and return this value."""
    deadline = time.monotonic() + _MAX_WAIT_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{description} did not become true in time"
        time.sleep(0.02)
    return value


def call_when(condition, action):
    """Call a function from another thread as soon as a condition is true; return the thread."""

    def wait():
        wait_for(condition)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def touch(path):
    """Return the code of a cell that writes its process id into a file; the file is never incomplete."""
    return (
        f"import os, pathlib\n_part = pathlib.Path({str(path) + '.part'!r})\n"
        f"_part.write_text(str(os.getpid()))\n_part.replace({str(path)!r})"
    )


def touch_and_sleep(path):
    """Return the code of a cell that writes its process id into a file, and then sleeps longer than any test waits."""
    return f"{touch(path)}\nimport time\ntime.sleep(3600)"


def meet(folder, own_name, other_name):
    """Return the code of a cell that waits for a cell of another notebook to arrive.

    Parameters
    ----------
    folder : Path
        Each of the two cells creates a file in this folder.
    own_name, other_name : str
        Expressions for the names of the files of this cell and of the other one.
    """
    return (
        f"import pathlib, time\nfolder = pathlib.Path({str(folder)!r})\n(folder / {own_name}).touch()\n"
        f"deadline = time.monotonic() + {_MAX_WAIT_SECONDS}\n"
        f"while not (folder / {other_name}).exists():\n"
        "    assert time.monotonic() < deadline, 'the other notebook did not arrive'\n    time.sleep(0.02)"
    )
