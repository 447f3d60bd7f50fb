"""No command and no stage imports what it does not use: each is asked in a process of its own."""

import subprocess
import sys

import pytest

from lib.commands import available
from lib.paths import ROOT

HEAVY = (
    "matplotlib",
    "mlflow",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "scipy",
    "scrapbook",
    "sklearn",
    "starlette",
    "uvicorn",
    "xgboost",
)
TABLES = {"numpy", "pandas", "pyarrow"}
MODELS = {"scipy", "sklearn"}
FIGURES = {"matplotlib"}
PAPERMILL = {"papermill", "pyarrow", "numpy"}  # it looks for pyarrow's HDFS itself
# What each may import when it is imported. mlflow and a training function's own package come when they are called.
MAY = {
    "lib.stages.setup": TABLES | FIGURES,  # shows a table; the Styler of pandas imports matplotlib in any case
    "lib.stages.preprocess": TABLES | FIGURES,  # draws the target
    "lib.stages.train": TABLES | FIGURES | MODELS,
    "lib.stages.evaluate": TABLES | FIGURES | MODELS,
    "lib.stages.deploy": TABLES | FIGURES,
    "lib.pipelines": set(),
    "lib.pipelines.base": set(),  # every notebook imports it, so that it brings no stage of another notebook
    "lib.backends": set(),
    "lib.backends.tracking": set(),
    "lib.backends.artifact_check": set(),
    "lib.outputs": set(),
    "lib.training": set(),
    "lib.metrics": set(),
    "lib.chain.contracts": set(),
    "lib.chain.plan": set(),
    "lib.chain.record": set(),
    "lib.chain.running": set(),
    "lib.chain.reuse": set(),
    "lib.chain.forking": set(),
    "lib.chain.papermill_entry": set(),
    "lib.chain.engine": PAPERMILL,
    "lib.chain.executor": PAPERMILL,
    **{f"lib.commands.{name}": set() for name in available()},
}


def imported(program):
    """Heavy packages that a program has imported at its end."""
    told = f"\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program + told], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("module", MAY)
def test_a_module_imports_no_more_than_it_may(module):
    assert imported(f"import {module}") <= MAY[module]


def test_the_comparison_sees_what_is_imported():
    assert {"pandas", "numpy"} <= imported("import pandas")
    assert imported("import json") == set()


@pytest.mark.parametrize("arguments", [["check"], ["check", "-p", "seed=one"], ["--dry-run"], ["why", "-p", "sead=1"]])
def test_a_command_that_starts_nothing_imports_nothing(arguments):
    assert imported(f"from lib.commands import main\nmain({arguments})") == set()


def test_the_pipeline_of_setup_brings_no_models_and_no_figures(tmp_path):
    """As the notebook does it, less mlflow's own imports: scipy and starlette are among those."""
    program = (
        "from lib.pipelines import get_pipeline\n"
        f"get_pipeline('base', name='shop', options={{}}, data='data/penguins_raw.csv', backend='local',"
        f" workspace={str(tmp_path)!r}, run_name='')"
    )
    assert imported(program) <= TABLES | imported("import mlflow\nmlflow.MlflowClient")
