"""The folders of an endpoint's deployed versions, each with a copy of its model."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import EndpointError
from lib.scoring.model_folder import NOT_HASHED, ModelError, compute_digest, find_code_folder, find_model_folder


def copy(model_folder: Path, deployments: Path, version: str, sha256: str | None) -> Path:
    """Copy a model into the folder of a new deployment, and verify the copy.

    The copy is what is served, so that nobody can change the model between the check and the loading, and the endpoint
    does not depend on the original.

    Parameters
    ----------
    model_folder : Path
        An MLflow model folder.
    deployments : Path
        The parent of the deployments' folders.
    version : str
        Version of the model.
    sha256 : str or None
        The expected `lib.scoring.model_folder.compute_digest` of the copy.

    Returns
    -------
    Path
        The new deployment's folder.

    Raises
    ------
    EndpointError
        If it is another model, or one without the code that serves it; no folder is left.
    """
    name = re.sub(r"[^\w.-]", "-", version)[:40]
    folder = deployments / f"{name}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True, mode=0o700)
    try:
        shutil.copytree(find_model_folder(model_folder), folder / "model", ignore=shutil.ignore_patterns(*NOT_HASHED))
        if sha256 is not None and (actual := compute_digest(folder / "model")) != sha256:
            raise EndpointError(
                f"Version {version} was not deployed: the model in {model_folder} is not the one that was "
                f"registered (its SHA-256 is {actual}, the registry's is {sha256}). Register the model again."
            )
        try:
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
