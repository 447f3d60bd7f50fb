"""Registry: the files of a model version, as Azure keeps them.

Versions and their tags are MLflow's, on Azure too: the registry that azureml-core's ``Model`` shows is the same one.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from lib.backends.azureml.error_translation import retry

_ARTIFACTS = re.compile(r"/runs/(?P<run>[^/]+)/artifacts/(?P<path>.+?)/?$")


def downloaded(workspace: Any, source: str) -> Path:
    """Local copy of a model's folder.

    azureml-mlflow 1.62 compares paths by their beginnings: where a model's code has both ``pages.py`` and a folder
    ``pages``, it takes the file for a folder and leaves it out. So the run's own client brings the files.

    Parameters
    ----------
    workspace : azureml.core.Workspace
    source : str
        ``azureml://.../runs/<run>/artifacts/<path>``; an address of another form is MLflow's to read.
    """
    found = _ARTIFACTS.search(source)
    if found is None:
        import mlflow

        return Path(mlflow.artifacts.download_artifacts(artifact_uri=source))
    folder = Path(tempfile.mkdtemp(prefix="model-"))

    def bring() -> None:
        run = workspace.get_run(found["run"])
        run.download_files(prefix=f"{found['path']}/", output_directory=str(folder), append_prefix=True)

    retry(bring, f"bring the model's files of the run {found['run']}")
    return folder / found["path"]
