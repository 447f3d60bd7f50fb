"""AutoML searches in SDK version 1."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lib.backends.azureml.job import Job, SearchRequest
from lib.backends.azureml.v1 import tables
from lib.backends.azureml.v1.clusters import native_cluster
from lib.backends.azureml.v1.jobs import RunJob
from lib.backends.azureml.v1.workspace import Workspace

if TYPE_CHECKING:
    from lib.backends.azureml.datastore import DataStore


def submit(workspace: Workspace, request: SearchRequest, datastore: DataStore) -> Job:
    """Submit a search. `datastore` is not used: the search reads the registered dataset."""
    from azureml.core import Experiment
    from azureml.train.automl import AutoMLConfig

    config = AutoMLConfig(
        **request.settings,
        training_data=tables.native_dataset(workspace, request.table),
        compute_target=native_cluster(workspace, request.cluster.name),
        # Otherwise, a client from the package index counts as "non-prod" and uses environments that do not exist.
        force_curated_environment=True,
        enable_early_stopping=True,
        # Stack ensembles and explanations would take two thirds of a short search.
        enable_stack_ensemble=False,
        model_explainability=False,
        save_mlflow=True,
        debug_log=str(Path(tempfile.gettempdir()) / "millrace-automl.log"),
        verbosity=logging.ERROR,
    )
    return RunJob(Experiment(workspace.native, request.experiment).submit(config, show_output=False))
