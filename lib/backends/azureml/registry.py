"""Download of the files of a registered model. Model versions and their tags are managed with MLflow."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lib.backends.azureml.error_translation import retry

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection

_RUN_ARTIFACT = re.compile(r"/runs/(?P<run>[^/]+)/artifacts/(?P<path>.+?)/?$")


def download_model(connection: Connection, source: str) -> Path:
    """Download a model folder.

    The SDK downloads the files, because azureml-mlflow 1.62 compares path prefixes: if a folder contains
    ``pages.py`` and ``pages/``, it takes ``pages.py`` for a folder and omits it.

    Parameters
    ----------
    connection : Connection
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
        connection.sdk("jobs").get(connection.workspace, match["run"]).download_folder(match["path"], folder)

    retry(download, f"download the model files of run {match['run']}")
    return folder / match["path"]
