"""Notebooks of a cell or two, and a chain that runs them in a folder of its own."""

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
    """Write a notebook of code cells, the first of them its parameters, the last one what it hands on."""
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
    """Notebooks of a folder, and their runs; `folder` is that of the newest run."""

    def __init__(self, tmp_path):
        self.notebooks, self.runs, self.workspace = tmp_path / "notebooks", tmp_path / "runs", tmp_path / "workspace"
        self.folder = None

    def write(self, name, *cells, **contract):
        """Write a notebook; see `notebook`."""
        notebook(self.notebooks, name, *cells, **contract)

    def parameters(self, **values):
        """Those of the project, less what would need more than the small notebooks have."""
        own = {"name": "example", "training_functions": ["one", "two"], "workspace": str(self.workspace)}
        return Parameters({**BASE, **own, "runs_folder": str(self.runs), **values})

    def run(self, *, record=None, reuse=False, progress=None, **values):
        """Run them, in a new folder or in that of a record, and return what is known at the end."""
        parameters = self.parameters(**values)
        executions = plan.executions(notebooks.all_of(self.notebooks), parameters)
        kept = record or RunRecord.new(self.runs, "example", parameters)
        self.folder = kept.folder
        status = "failed"
        try:
            earlier = Reuse(parameters) if reuse else None
            result = running.run(executions, parameters, kept, progress or Progress(len(executions)), earlier)
            status = "succeeded"
            return result
        finally:
            kept.close(status)

    def resume(self, **values):
        """Go on with the newest run."""
        return self.run(record=RunRecord.reopen(self.folder), **values)

    @property
    def stages(self):
        """Entries of the newest run's record."""
        return json.loads((self.folder / "run.json").read_text())["stages"]

    @property
    def statuses(self):
        """How each execution ended, in the order in which they began."""
        return [(one["stage"], one["status"]) for one in self.stages]

    def cells(self, name):
        """Code cells of an executed notebook."""
        return code_of(self.folder / name)

    def error(self, name):
        """The one error in an executed notebook."""
        (error,) = errors_of(self.cells(name))
        return error


def code_of(path):
    """Code cells of a notebook."""
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def errors_of(cells):
    """Errors that cells show."""
    return [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


def papermill_says(cells):
    """What papermill's metadata say of each cell's end."""
    return [cell["metadata"]["papermill"]["status"] for cell in cells]


def wait_for(true, what="what was waited for"):
    """Wait until a condition holds."""
    deadline = time.monotonic() + _MAX_WAIT_SECONDS
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)
    return found


def once(true, act):
    """Do something from a thread of its own as soon as a condition holds."""

    def wait():
        wait_for(true)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def touch(path):
    """Source of a cell that leaves a file with its process's id, whole at once."""
    return (
        f"import os, pathlib\n_part = pathlib.Path({str(path) + '.part'!r})\n"
        f"_part.write_text(str(os.getpid()))\n_part.replace({str(path)!r})"
    )


def touch_and_sleep(path):
    """Source of a cell that leaves its process's id in a file and sleeps for longer than any test waits."""
    return f"{touch(path)}\nimport time\ntime.sleep(3600)"


def meet(folder, mine, other):
    """Source of a cell that goes on only once another notebook's cell is at the same point."""
    return (
        f"import pathlib, time\nfolder = pathlib.Path({str(folder)!r})\n(folder / {mine}).touch()\n"
        f"deadline = time.monotonic() + {_MAX_WAIT_SECONDS}\n"
        f"while not (folder / {other}).exists():\n"
        "    assert time.monotonic() < deadline, 'the other one did not come'\n    time.sleep(0.02)"
    )
