"""Checks of what an earlier stage made: whether its MLflow run, production version and endpoint still exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.backends import connect

if TYPE_CHECKING:
    from mlflow.entities import Run

    from lib.backends.base import Backend
    from lib.parameters import Parameters


def missing_artifacts(parameters: Parameters, stage: str, name: str, run_name: str) -> list[str]:
    """Describe the artifacts of an earlier stage that are missing or have changed.

    Parameters
    ----------
    parameters : Parameters
        Parameters of the use case and its backend.
    stage : str
        Name of the stage.
    name : str
        Name of the stage's MLflow run: the training function for ``train``, otherwise the stage.
    run_name : str
        Name of the run that executed the stage.

    Returns
    -------
    list of str
        One clause for each difference; empty if nothing changed.
    """
    backend = connect(parameters)
    if stage == "setup":
        return []  # The setup stage has no MLflow run. Later stages notice if the workspace is another one.
    run = backend.tracking.find_stage_run(parameters.name, stage, name, run_name)
    if run is None:
        return [f"the MLflow run of {name} is gone"]
    if stage == "evaluate":
        return _production_changes(backend, parameters.name, run)
    if stage == "deploy":
        return _endpoint_changes(backend, parameters.name, run)
    return []


def _production_changes(backend: Backend, use_case: str, run: Run) -> list[str]:
    """Return a clause if the production version is not the one that the evaluate stage recorded; else an empty list."""
    recorded = run.data.tags.get("production_version", "")
    production = backend.models(use_case).production()
    current = production.version if production else ""
    if current == recorded:
        return []
    return [f"version {current or 'none'} is in production now, not {recorded or 'none'}"]


def _endpoint_changes(backend: Backend, use_case: str, run: Run) -> list[str]:
    """Return a clause if the endpoint does not serve the version that the deploy stage deployed; else an empty list."""
    deployed = run.data.params["version"]
    status = backend.endpoint(use_case).status()
    if not status.url:
        return [f"the endpoint is {status.state}"]
    if status.version != deployed:
        return [f"the endpoint serves version {status.version} now, not {deployed}"]
    return []
