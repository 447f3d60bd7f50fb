"""Imports of commands and stages, each tried in a new process: heavy packages only where they are used."""

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
PAPERMILL = {"papermill", "pyarrow", "numpy"}  # papermill imports pyarrow for HDFS
# Heavy packages that importing a module may import. mlflow and the packages of training functions come later.
ALLOWED = {
    "lib.stages.setup": TABLES | FIGURES,  # shows a table; the Styler of pandas always imports matplotlib
    "lib.stages.preprocess": TABLES | FIGURES,  # draws the target
    "lib.stages.train": TABLES | FIGURES | MODELS,
    "lib.stages.evaluate": TABLES | FIGURES | MODELS,
    "lib.stages.deploy": TABLES | FIGURES,
    "lib.pipelines": set(),
    "lib.pipelines.base": set(),  # every notebook imports it, and needs one stage only
    "lib.backends": set(),
    "lib.backends.tracking": set(),
    "lib.backends.artifact_check": set(),
    "lib.outputs": set(),
    "lib.training": set(),
    "lib.metrics": set(),
    "lib.chain.contracts": set(),
    "lib.chain.header": set(),
    "lib.chain.plan": set(),
    "lib.chain.record": set(),
    "lib.chain.running": set(),
    "lib.chain.reuse": set(),
    "lib.chain.forking": set(),
    "lib.chain.kernel_pool": set(),
    "lib.chain.papermill_entry": set(),
    "lib.chain.engine": PAPERMILL,
    "lib.chain.notebook_client": PAPERMILL,
    "lib.chain.executor": PAPERMILL,
    **{f"lib.commands.{name}": set() for name in available()},
}


def imported(program):
    """Return the heavy packages that a program has imported at its end."""
    report = f"\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program + report], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("module", ALLOWED)
def test_modules_import_only_allowed_packages(module):
    assert imported(f"import {module}") <= ALLOWED[module]


def test_imported_sees_imports():
    assert {"pandas", "numpy"} <= imported("import pandas")
    assert imported("import json") == set()


@pytest.mark.parametrize(
    ("arguments", "packages"),
    [
        (["check"], set()),
        (["check", "-p", "seed=one"], set()),
        (["--dry-run"], {"numpy"}),  # detects the table's separator to read its header
        (["why", "-p", "sead=1"], set()),
    ],
)
def test_commands_that_start_nothing_import_little(arguments, packages):
    assert imported(f"from lib.commands import main\nmain({arguments})") <= packages


def test_pipeline_of_setup_imports_no_models_and_figures(tmp_path):
    """Imports of mlflow itself, scipy and starlette among them, do not count."""
    program = (
        "from lib.pipelines import get_pipeline\n"
        f"get_pipeline('base', name='shop', options={{}}, data='data/penguins_raw.csv', backend='local',"
        f" workspace={str(tmp_path)!r}, run_name='')"
    )
    assert imported(program) <= TABLES | imported("import mlflow\nmlflow.MlflowClient")
