"""The entry script, as Azure ML calls it: ``init()`` once, then ``run(raw)`` for each request.

Azure ML mounts the model under ``AZUREML_MODEL_DIR``, by convention ``.../<name>/<version>``, with the model's
folder in it or below it. The local endpoint uses the same parts behind its own server, so both give the
same answers and the same refusals.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lib.scoring.model import load
from lib.scoring.model_folder import ModelError, digest
from lib.scoring.request_error import RequestError
from lib.scoring.scorer import Scorer

__all__ = ["ModelError", "RequestError", "Scorer", "digest", "init", "load", "run"]

scorer: Scorer | None = None


def init() -> None:
    """Load the model; the environment variable ``MILLRACE_MODEL_SHA256``, where set, must match its digest.

    Raises
    ------
    ModelError
        With the reason, for the deployment's log.
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
        The answer; a refusal with its status where Azure ML's server is there to carry it.

    Raises
    ------
    RequestError
        Where there is no such server.
    """
    assert scorer is not None, "init() comes first"
    try:
        return scorer.score(raw)
    except RequestError as refusal:
        try:
            from azureml_inference_server_http.api.aml_response import AMLResponse
        except ImportError:
            raise refusal from None
        return AMLResponse(refusal.content(), refusal.status, json_str=True)
