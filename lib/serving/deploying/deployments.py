"""The folders of an endpoint's deployed versions, each with a verified copy of its model."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import EndpointError
from lib.scoring.model_folder import ModelError, copy_verified, find_code_folder, find_model_folder


def add(model_folder: Path, deployments: Path, version: str, sha256: str | None) -> Path:
    """Copy a model into the folder of a new deployment, and verify the copy.

    The endpoint serves the copy, so that nobody can change the model between the check and the loading, and the
    endpoint does not depend on the original.

    Parameters
    ----------
    model_folder : Path
        An MLflow model folder.
    deployments : Path
        The folder in which the deployment's folder is created.
    version : str
        Version of the model.
    sha256 : str or None
        The expected SHA-256 of the model folder; None if the model was not registered.

    Returns
    -------
    Path
        The new deployment's folder.

    Raises
    ------
    EndpointError
        If the model is not the registered one, contains something else than files, or was saved without the code that
        serves it. No folder is left then.
    """
    name = re.sub(r"[^\w.-]", "-", version)[:40]
    folder = deployments / f"{name}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True, mode=0o700)
    try:
        try:
            copy_verified(find_model_folder(model_folder), folder / "model", sha256)
            find_code_folder(folder / "model")
        except ModelError as error:
            raise EndpointError(f"Version {version} was not deployed. {error}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def remove_unused(deployments: Path, state: Mapping[str, Any]) -> None:
    """Delete the folders of versions to which the endpoint can no longer go back, according to its state."""
    used = {(state.get(role) or {}).get("deployment") for role in ("stable", "new", "previous")}
    for path in deployments.glob("*"):
        if path.name not in used:
            shutil.rmtree(path, ignore_errors=True)
