"""The files that `run_all.py add` writes into ``custom/``: the smallest module of each kind that keeps its contract."""

from __future__ import annotations

import json
from collections.abc import Sequence

PIPELINE = '''\
"""Pipeline {name}: its differences from the base pipeline."""

from __future__ import annotations

import pandas as pd

from lib.pipelines.base import BasePipeline


class {class_name}Pipeline(BasePipeline):
    """The base pipeline with hooks overridden; `BasePipeline` documents every hook."""

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the table to learn from. Derive the target, join other tables, and drop leaks here."""
        return frame
'''

FEATURES = '''\
"""Features {name}: computed from raw rows in training, at the endpoint and by score alike.

A pipeline names them: ``def features(self): return "{name}"``.
"""

import pandas as pd


def features(X: pd.DataFrame) -> pd.DataFrame:
    """Return the columns to learn from, a row for each row; a row must not depend on the others."""
    return X.assign()
'''

TRAINING = '''\
"""Training function {name}, chosen by ``training_functions: [{name}]``."""

from __future__ import annotations

from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from lib.training import fit_pipeline


def train(X, y, request, *, n_estimators: int = 200):
    """Return a fitted pipeline that takes the raw columns; keyword-only arguments are hyperparameters."""
    kind = ExtraTreesClassifier if request.is_classification else ExtraTreesRegressor
    model = kind(n_estimators, random_state=request.seed, n_jobs=request.threads)
    return fit_pipeline(model, X, y, request)
'''

METRIC = '''\
"""Metric {name}, chosen by ``primary_metric: {name}`` or listed under ``metrics``."""

GREATER_IS_BETTER = True


def score(truth, predictions, rows, *, worth: float = 1.0) -> float:
    """Return the score of predictions; keyword-only arguments are options from the parameter file."""
    return float(worth * (predictions.labels == truth).sum())
'''

STAGE = '''\
"""Stage {name}, placed by the parameter ``stages``, e.g. ``stages: {{after_deploy: [{name}]}}``."""

# The use case's parameters that this stage reads; a changed value makes it run again.
PARAMETERS = ()
OUTPUTS = {types}


def run(pipeline, parameters):
    """Return the result of the stage, which its notebook displays and publishes."""
    return {result}
'''

_OPEN = "from lib.pipelines import open_pipeline\n\npipeline = open_pipeline(use_case, overrides)"
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def make_stage_notebook(name: str, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """Return the notebook of a stage.

    Parameters
    ----------
    name : str
    inputs : sequence of str
        Outputs of earlier stages that it reads.
    outputs : sequence of str
        Outputs that it publishes.
    """
    defaults = [f"{key} = {'[]' if key == 'candidates' else repr('')}  # empty: the newest" for key in inputs]
    arguments = ", ".join([json.dumps(name), *(f"{key}={key}" for key in inputs)])
    published = ", ".join(f"{key}=result[{json.dumps(key)}]" for key in outputs)
    lines = [
        'use_case = "parameters/flights.yaml"  # parameter file, or a list of files laid over each other',
        'overrides = {}  # parameters to set over the files, by name, e.g. {"seed": 7}',
        *(line.replace("''", '""') for line in defaults),
    ]
    cells = [
        _make_cell("markdown", f"{name}-1", f"# {name.replace('_', ' ').capitalize()}: which question does it answer?"),
        _make_cell("code", f"{name}-2", "\n".join(lines), ["parameters", "remove-input"]),
        _make_cell("code", f"{name}-3", _OPEN, ["remove-input"]),
        _make_cell("code", f"{name}-4", f"result = pipeline.run_stage({arguments})\nresult"),
        _make_cell("code", f"{name}-5", f"pipeline.publish_outputs({published})"),
    ]
    content = {"cells": cells, "metadata": {"kernelspec": _KERNEL}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1) + "\n"


def _make_cell(kind: str, cell_id: str, source: str, tags: Sequence[str] = ()) -> dict[str, object]:
    """Return a cell of a notebook."""
    metadata = {"tags": [*tags]} if tags else {}
    cell: dict[str, object] = {"cell_type": kind, "id": cell_id, "metadata": metadata, "source": source}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell
