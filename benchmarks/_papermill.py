"""The chain's notebooks executed by papermill, one after the other: python -m benchmarks._papermill PARAMS FOLDER."""

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
    folder = Path(sys.argv[2])
    outputs: dict = {}
    for number, (notebook, values) in enumerate(_values.executions(_values.load_parameters(sys.argv[1], folder))):
        executed = str(folder / f"{number}.ipynb")
        inputs = {name: value for name, value in outputs.items() if name in notebook.parameters}
        papermill.execute_notebook(str(notebook.path), executed, {**values, **inputs}, progress_bar=False)
        scraps = scrapbook.read_notebook(executed).scraps
        outputs = plan.merge_outputs(outputs, {name: scrap.data for name, scrap in scraps.items()})
