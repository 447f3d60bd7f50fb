"""The entry script for Azure ML, which calls ``init()`` once and then ``run(raw)`` for each request.

A deployment runs the code in the ``code/`` folder of its model, including this script. Azure ML mounts the model under
``AZUREML_MODEL_DIR``, by convention ``.../<name>/<version>``, with the model folder in it or below it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lib.scoring.request_error import RequestError
from lib.scoring.scorer import Scorer

scorer: Scorer | None = None


def init() -> None:
    """Load the model, after comparing its SHA-256 with the environment variable ``MILLRACE_MODEL_SHA256``, if set.

    Raises
    ------
    ModelError
        If the model cannot be served. The message, which the deployment's log shows, states the reason.
    """
    global scorer
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    name, version = (folder.parent.name, folder.name) if folder.name.isdigit() else (folder.name, None)
    scorer = Scorer.from_folder(folder, name, version, os.environ.get("MILLRACE_MODEL_SHA256"))
    scorer.warm_up()


def run(raw: str | bytes) -> Any:
    """Answer one request.

    Parameters
    ----------
    raw : str or bytes
        The body of the request.

    Returns
    -------
    dict or AMLResponse
        The answer. If the request is invalid and Azure ML's server is installed, an AMLResponse with the error and its
        status.

    Raises
    ------
    RequestError
        If the request is invalid and Azure ML's server is not installed.
    """
    assert scorer is not None, "init() has to be called first"
    try:
        return scorer.score(raw)
    except RequestError as error:
        try:
            from azureml_inference_server_http.api.aml_response import AMLResponse
        except ImportError:
            raise error from None
        return AMLResponse(error.content(), error.status, json_str=True)
