"""The search for secrets in the tracking store of an Azure workspace."""

from __future__ import annotations

from typing import Any

from lib.secrets import redaction

_MAX_RUNS = 500


def redact(client: Any, experiment: str, run_name: str) -> list[tuple[str, str]]:
    """Redact the tags of the MLflow runs of a run of the chain; parameters cannot be changed, only named.

    Parameters
    ----------
    client : MlflowClient
    experiment : str
        Name of the use case.
    run_name : str
        Name of the run's folder, which is a tag of its MLflow runs.

    Returns
    -------
    list of tuple of str and str
        Place and kind of each secret.
    """
    stored = client.get_experiment_by_name(experiment)
    if stored is None:
        return []
    places = []
    condition = f"tags.run_name = '{run_name}'"
    for run in client.search_runs([stored.experiment_id], condition, max_results=_MAX_RUNS):
        stage = run.data.tags.get("stage", run.info.run_id)
        for name, text in run.data.tags.items():
            redacted, secrets = redaction.redact(text)
            if secrets:
                client.set_tag(run.info.run_id, name, redacted)
                places.append((f"{stage}: MLflow tag {name}", ", ".join(dict.fromkeys(secrets))))
        for name, text in run.data.params.items():
            if secrets := redaction.redact(text)[1]:
                place = f"{stage}: MLflow param {name} (delete the MLflow run {run.info.run_id} to remove it)"
                places.append((place, ", ".join(dict.fromkeys(secrets))))
    return places
