"""The chain's stages as plain functions in one process: python -m benchmarks._plain_functions PARAMS FOLDER."""

import os
import sys
from pathlib import Path

from benchmarks import _values
from lib.paths import ROOT

if __name__ == "__main__":
    os.chdir(ROOT)
    values = _values.of(sys.argv[1], Path(sys.argv[2]))
    from lib.pipelines import get_pipeline

    handed_on: dict = {}
    for notebook, given in _values.executions(values):
        inputs = {name: handed_on.get(name, notebook.parameters[name]) for name in notebook.parameters}
        pipeline = get_pipeline(**{**inputs, **given})
        result = getattr(pipeline, notebook.stage)()
        for name in notebook.outputs:
            if name == "candidates":
                handed_on.setdefault(name, []).append(result.run_id)
            else:
                handed_on[name] = getattr(result, name)
