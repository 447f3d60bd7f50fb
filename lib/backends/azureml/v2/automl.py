"""AutoML searches in SDK version 2.

https://learn.microsoft.com/azure/machine-learning/how-to-configure-auto-train
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.job import Job, SearchRequest
from lib.backends.azureml.seams import SERVERLESS, TableVersion
from lib.backends.azureml.v2 import jobs, tables
from lib.backends.azureml.v2.workspace import Workspace

if TYPE_CHECKING:
    from lib.backends.azureml.datastore import DataStore

# A table for AutoML is a folder with a file of this name, which says how the other files are read.
# https://learn.microsoft.com/azure/machine-learning/reference-yaml-mltable
_MLTABLE_FILE, _DATA_FILE = "MLTable", "table.parquet"
_MLTABLE = f"paths:\n  - file: ./{_DATA_FILE}\ntransformations:\n  - read_parquet\n"
# The names of the settings for allowed and blocked algorithms in SDK version 2.
_ALGORITHM_SETTINGS = {
    "allowed_models": "allowed_training_algorithms",
    "blocked_models": "blocked_training_algorithms",
}


def submit(workspace: Workspace, request: SearchRequest, datastore: DataStore) -> Job:
    """Submit a search. The table is stored once more, as a folder with an MLTable file."""
    from azure.ai.ml import Input, automl
    from azure.ai.ml.entities import ManagedIdentityConfiguration

    settings = request.settings
    folder = _write_mltable(tables.get_address(workspace, request.table), request.folder, datastore)
    make_job = getattr(automl, settings["task"])
    job: Any = make_job(
        name=jobs.job_name("automl"),
        experiment_name=request.experiment,
        training_data=Input(type="mltable", path=folder),
        target_column_name=settings["label_column_name"],
        primary_metric=settings["primary_metric"],
        n_cross_validations=settings.get("n_cross_validations"),
        validation_data_size=settings.get("validation_size"),
        enable_model_explainability=False,
        tags={jobs.JOB_TAG: "automl"},
    )
    jobs.set_compute(job, request.cluster, request.identity)
    if request.cluster.name != SERVERLESS and request.cluster.has_identity:
        # AutoML reads a table of a datastore without a key as the cluster's identity.
        job.identity = ManagedIdentityConfiguration()
    minutes = max(1, round(settings["experiment_timeout_hours"] * 60))
    job.set_limits(
        timeout_minutes=minutes,
        trial_timeout_minutes=minutes,
        max_trials=settings["iterations"],
        max_concurrent_trials=settings["max_concurrent_iterations"],
        enable_early_termination=True,
    )
    job.set_training(
        # Stack ensembles and explanations would take two thirds of a short search.
        enable_stack_ensemble=False,
        enable_vote_ensemble=settings["enable_voting_ensemble"],
        enable_model_explainability=False,
        **_algorithms(settings),
    )
    return jobs.create(workspace, job)


def _write_mltable(table: TableVersion, folder: str, datastore: DataStore) -> str:
    """Store a table with an MLTable file in a folder of the datastore, and return the folder's address."""
    content = datastore.download(tables.short_address(table.path))
    path = f"{folder}/{hashlib.sha256(content).hexdigest()[:16]}"
    datastore.upload(content, f"{path}/{_DATA_FILE}")
    datastore.upload(_MLTABLE.encode(), f"{path}/{_MLTABLE_FILE}")
    return datastore.uri(path)


def _algorithms(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the allowed and blocked algorithms under the names of SDK version 2."""
    return {new: list(settings[old]) for old, new in _ALGORITHM_SETTINGS.items() if old in settings}
