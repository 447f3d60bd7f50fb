"""The chain's stages called as functions in one process: python -m benchmarks._plain_functions PARAMS FOLDER."""

import os
import sys
from pathlib import Path

from benchmarks import _values
from lib.paths import ROOT

if __name__ == "__main__":
    os.chdir(ROOT)
    parameters = _values.load_parameters(sys.argv[1], Path(sys.argv[2]))
    from lib.pipelines import get_pipeline

    outputs: dict = {}
    for notebook, values in _values.executions(parameters):
        inputs = {name: outputs.get(name, notebook.parameters[name]) for name in notebook.parameters}
        pipeline = get_pipeline(**{**inputs, **values})
        result = getattr(pipeline, notebook.stage)()
        for name in notebook.outputs:
            if name == "candidates":
                outputs.setdefault(name, []).append(result.run_id)
            else:
                outputs[name] = getattr(result, name)
