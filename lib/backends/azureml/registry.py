"""Download of the files of a registered model.

Model versions and their tags are managed with MLflow. azureml-core's ``Model`` shows the same registry.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from lib.backends.azureml.error_translation import retry

_RUN_ARTIFACT = re.compile(r"/runs/(?P<run>[^/]+)/artifacts/(?P<path>.+?)/?$")


def download_model(workspace: Any, source: str) -> Path:
    """Download a model folder.

    The run's client downloads the files, because azureml-mlflow 1.62 compares path prefixes: if a folder contains
    ``pages.py`` and ``pages/``, it takes ``pages.py`` for a folder and omits it.

    Parameters
    ----------
    workspace : azureml.core.Workspace
    source : str
        ``azureml://.../runs/<run>/artifacts/<path>``. MLflow downloads URIs of any other form.

    Returns
    -------
    Path
        The local copy of the folder.
    """
    match = _RUN_ARTIFACT.search(source)
    if match is None:
        import mlflow

        return Path(mlflow.artifacts.download_artifacts(artifact_uri=source))
    folder = Path(tempfile.mkdtemp(prefix="model-"))

    def download() -> None:
        run = workspace.get_run(match["run"])
        run.download_files(prefix=f"{match['path']}/", output_directory=str(folder), append_prefix=True)

    retry(download, f"download the model files of run {match['run']}")
    return folder / match["path"]
