"""The entry script for Azure ML, which calls ``init()`` once and then ``run(raw)`` for each request.

A deployment runs the code in the ``code/`` folder of its model, including this script. Azure ML mounts the model under
``AZUREML_MODEL_DIR``, by convention ``.../<name>/<version>``, with the model folder in it or below it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from importlib.machinery import FileFinder, SourceFileLoader
from pathlib import Path
from typing import Any

_CODE_FOLDER = Path(__file__).resolve().parents[2]
_BYTECODE = ""


class _SourceLoader(SourceFileLoader):
    """An importer of source files that keeps their compiled code outside the code folder."""

    def get_code(self, fullname: str) -> Any:
        """Return the code of a module; Python's import system calls this."""
        previous, sys.pycache_prefix = sys.pycache_prefix, _BYTECODE
        try:
            return super().get_code(fullname)
        finally:
            sys.pycache_prefix = previous


def _find_importer(path: str) -> FileFinder:
    if not Path(path).resolve().is_relative_to(_CODE_FOLDER):
        raise ImportError(f"{path} is not in {_CODE_FOLDER}")
    return FileFinder(path, (_SourceLoader, [".py"]))


if "AZUREML_MODEL_DIR" in os.environ:
    # Python would run compiled code beside the source files, which the SHA-256 does not cover.
    _BYTECODE = tempfile.mkdtemp(prefix="millrace-bytecode-")
    atexit.register(shutil.rmtree, _BYTECODE, ignore_errors=True)
    sys.path_hooks.insert(0, _find_importer)
    sys.path_importer_cache.clear()

from lib.scoring.model_folder import check_same_code, copy_verified, find_code_folder, find_model_folder  # noqa: E402
from lib.scoring.request_error import RequestError  # noqa: E402
from lib.scoring.scorer import Scorer  # noqa: E402

scorer: Scorer | None = None


def init() -> None:
    """Load a verified copy of the model.

    Its SHA-256 is compared with the environment variable ``MILLRACE_MODEL_SHA256``, if set, and its code with the code
    that runs here, before anything of the model is opened.

    Raises
    ------
    ModelError
        If the model cannot be served. The message, which the deployment's log shows, states the reason.
    """
    global scorer
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    name, version = (folder.parent.name, folder.name) if folder.name.isdigit() else (folder.name, None)
    with tempfile.TemporaryDirectory(prefix="millrace-model-") as scratch:
        copy = Path(scratch) / "model"
        copy_verified(find_model_folder(folder).resolve(), copy, os.environ.get("MILLRACE_MODEL_SHA256"))
        check_same_code(find_code_folder(copy), _CODE_FOLDER)
        scorer = Scorer.from_folder(copy, name, version)
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
