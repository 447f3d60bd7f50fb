"""The files of a new project, and the record of the Millrace that it uses."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from lib.commands import _skeletons
from lib.errors import ParameterError

PIN = "custom/millrace.yaml"
_PIN_COMMENT = "# The Millrace that this project uses. `run_all.py upgrade` moves it to a newer one.\n"

README = """# {name}

A project that uses Millrace. Everything of its own is here and in `parameters/{name}.yaml`. The other files belong to
Millrace, and `run_all.py upgrade` replaces them with those of a newer release. Edit none of them.

| file | content |
| --- | --- |
| `parameters/{name}.yaml` | the use case: table, target, metric, gates |
| `custom/pipelines/{module}.py` | its own code: derived target, joined tables, features |
| `custom/tests/` | its own tests, which `make check-custom` runs beside Millrace's contract tests |
| `custom/azure-pipelines.yml` | its pipeline in Azure DevOps |
| `custom/millrace.yaml` | the Millrace that it uses |

```
make install                                                   # once
.venv/bin/python run_all.py --params parameters/{name}.yaml   # run it
make check-custom                                              # check the code in custom/
.venv/bin/python run_all.py upgrade                            # move to a newer Millrace
```

[Customise Millrace](../docs/customise.md) shows how to add features, metrics, training functions and stages.
"""

TEST = '''"""The use case {name} can be run: its parameters are valid, and its pipeline prepares a table."""

import pandas as pd

from lib.chain import contracts, own_stages
from lib.parameters import load
from lib.pipelines import open_pipeline

FILE = "parameters/{name}.yaml"


def test_parameters_are_valid():
    layers = load([FILE])
    chain = own_stages.read_chain(layers.values.get("stages"))
    assert contracts.resolve_parameters(layers, chain).name == "{name}"


def test_pipeline_keeps_a_row_for_each_row(tmp_path):
    pipeline = open_pipeline(FILE, {{"workspace": str(tmp_path)}})
    frame = pd.DataFrame({{pipeline.parameters.target_column: ["a", "b"]}})
    assert len(pipeline.prepare_data(frame)) == 2
'''

PARAMETERS = """# Predict {target} from {data}. Every parameter is explained in parameters/base.yaml.
# `run_all.py init --data {data} --target {target} --name {name} --force` proposes the others from the table.
name: {name}
pipeline: {module}
data: {data}
target_column: {target}
task: {task}
primary_metric: {metric}
"""
METRIC_BY_TASK = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}

_CHECK_STAGE = """
  - stage: custom
    displayName: Check custom/
    dependsOn: []
    jobs:
      - job: custom
        steps:
          - template: /pipelines/steps/python.yml
          - script: make check-custom
            displayName: Check the project's own code
"""


def make_files(name: str, data: str, target: str, task: str) -> dict[str, str]:
    """Return the files of a new project that need no table, by path."""
    module = name.replace("-", "_")
    class_name = "".join(part.capitalize() for part in module.split("_"))
    values = {"name": name, "module": module, "data": data, "target": target, "task": task}
    return {
        "custom/README.md": README.format(**values),
        f"custom/pipelines/{module}.py": _skeletons.PIPELINE.format(name=module, class_name=class_name),
        f"custom/tests/test_{module}.py": TEST.format(**values),
        f"parameters/{name}.yaml": PARAMETERS.format(**values, metric=METRIC_BY_TASK[task]),
    }


def make_pipeline(text: str, name: str) -> str:
    """Return the pipeline of a project in Azure DevOps, made from Millrace's own.

    Parameters
    ----------
    text : str
        The content of ``azure-pipelines.yml``.
    name : str
        Name of the use case.
    """
    text = text.replace("template: pipelines/", "template: /pipelines/")
    text = re.sub(r"(- name: project\n    value: ).*", rf"\g<1>{name}", text)
    text = re.sub(r"(- name: useCase\n    value: ).*", rf"\g<1>parameters/{name}.yaml", text)
    return text.replace("\nstages:\n", f"\nstages:{_CHECK_STAGE}", 1)


def read_pin(folder: Path) -> dict[str, str]:
    """Return the record of the Millrace that a project uses.

    Raises
    ------
    ParameterError
        If the folder is no project that `run_all.py new` has made.
    """
    file = folder / PIN
    if not file.is_file():
        raise ParameterError(
            f"{folder} has no {PIN}, so it is not a project that run_all.py new has made. Millrace's own checkout is "
            "upgraded by `git pull`."
        )
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def write_pin(folder: Path, version: str, commit: str, source: str) -> None:
    """Write the record of the Millrace that a project uses."""
    text = yaml.safe_dump({"version": version, "commit": commit, "source": source}, sort_keys=False)
    (folder / PIN).parent.mkdir(parents=True, exist_ok=True)
    (folder / PIN).write_text(_PIN_COMMENT + text, encoding="utf-8")
