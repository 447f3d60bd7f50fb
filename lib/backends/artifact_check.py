"""Whether what a stage left behind still stands: its MLflow run, the version in production, the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.backends import connect

if TYPE_CHECKING:
    from lib.parameters import Parameters


def fallen(parameters: Parameters, stage: str, name: str, run_name: str) -> list[str]:
    """What a stage of an earlier run left behind, and what is not so any more.

    Parameters
    ----------
    parameters : Parameters
        ``name``, and what the backend needs.
    stage, name : str
        The stage, and the name of its MLflow run: of a training, that of the training function.
    run_name : str
        Of the chain's run.

    Returns
    -------
    list of str
        A clause each; empty where all stands.
    """
    backend = connect(parameters)
    if stage == "setup":
        return []  # it has no MLflow run; where the workspace is another one, the stages after it tell
    run = backend.tracking.run_of(parameters.name, stage, name, run_name)
    if run is None:
        return ["its MLflow run is gone"]
    if stage == "evaluate":
        left, now = run.data.tags.get("production_version", ""), backend.models(parameters.name).production()
        if left != (now.version if now else ""):
            return [f"version {now.version if now else 'none'} is in production now, not {left or 'none'}"]
    if stage == "deploy":
        left, now = run.data.params["version"], backend.endpoint(parameters.name).status()
        if not now.url:
            return [f"the endpoint is {now.state}"]
        if now.version != left:
            return [f"the endpoint serves version {now.version} now, not {left}"]
    return []
