"""A stage of the customer for tests: a notebook and a module."""

import json

_OPEN = "from lib.pipelines import open_pipeline\n\npipeline = open_pipeline(use_case, overrides)"


def write_stage(custom, name, module, parameters="", call=None, outputs=""):
    """Write the notebook and the module of a stage into a folder ``custom``.

    Parameters
    ----------
    custom : CustomFolder
    name : str
        Name of the stage.
    module : str
        Text of the module.
    parameters : str
        Further lines of the parameters cell.
    call : str, optional
        The call of the stage; by default `run_stage` without inputs.
    outputs : str
        Arguments of ``publish_outputs``.
    """
    custom.write(f"stages/{name}.py", module)
    lines = ['use_case = "parameters/penguins.yaml"  # any', "overrides = {}  # any", parameters]
    sources = [
        ("\n".join(filter(None, lines)), ["parameters"]),
        (_OPEN, []),
        (call or f'result = pipeline.run_stage("{name}")\nresult', []),
        (f"pipeline.publish_outputs({outputs})", []),
    ]
    cells = [
        {
            "cell_type": "code",
            "id": f"{name}-{position}",
            "metadata": {"tags": tags},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for position, (source, tags) in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return custom.write(f"stages/{name}.ipynb", json.dumps(content))
