"""The chain's notebooks by papermill, one after the other: python -m benchmarks._papermill PARAMS FOLDER."""

import logging
import os
import sys
from pathlib import Path

import papermill
import scrapbook

from benchmarks import _values
from lib.chain import plan
from lib.paths import ROOT

if __name__ == "__main__":
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    place = Path(sys.argv[2])
    handed_on: dict = {}
    for number, (notebook, given) in enumerate(_values.executions(_values.of(sys.argv[1], place))):
        executed = str(place / f"{number}.ipynb")
        inputs = {name: value for name, value in handed_on.items() if name in notebook.parameters}
        papermill.execute_notebook(str(notebook.path), executed, {**given, **inputs}, progress_bar=False)
        scraps = scrapbook.read_notebook(executed).scraps
        handed_on = plan.joined(handed_on, {name: scrap.data for name, scrap in scraps.items()})
