"""The chain's notebooks executed by papermill, one after the other: python -m benchmarks._papermill PARAMS FOLDER."""

import logging
import os
import sys
from pathlib import Path

import papermill
import scrapbook
import yaml

from benchmarks import _values
from lib.chain import plan
from lib.paths import ROOT

if __name__ == "__main__":
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    folder = Path(sys.argv[2])
    parameters = _values.load_parameters(sys.argv[1], folder)
    use_case = folder / "parameters.yaml"
    use_case.write_text(yaml.safe_dump(dict(parameters)), encoding="utf-8")
    outputs: dict = {}
    for number, (notebook, values) in enumerate(_values.executions(parameters)):
        executed = str(folder / f"{number}.ipynb")
        values |= {**outputs, "use_case": str(use_case)}
        inputs = {name: value for name, value in values.items() if name in notebook.parameters}
        papermill.execute_notebook(str(notebook.path), executed, inputs, progress_bar=False)
        scraps = scrapbook.read_notebook(executed).scraps
        outputs = plan.merge_outputs(outputs, {name: scrap.data for name, scrap in scraps.items()})
