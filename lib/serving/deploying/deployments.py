"""The folders of an endpoint's versions, each with a copy of its model."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import EndpointError
from lib.scoring.model_folder import NOT_HASHED, digest, find


def copy(model_folder: Path, deployments: Path, version: str, sha256: str | None) -> Path:
    """Folder of a new deployment with a copy of the model, and the copy checked.

    The copy is what gets served, so nobody can change the model between the check and the loading, and
    the endpoint lives on when the original is deleted.

    Parameters
    ----------
    model_folder : Path
        An MLflow model folder.
    deployments : Path
        Folder of the folders.
    version : str
        Of the model.
    sha256 : str or None
        What `lib.scoring.model_folder.digest` must say of the copy.

    Raises
    ------
    EndpointError
        The model is another one. No folder is left.
    """
    name = re.sub(r"[^\w.-]", "-", version)[:40]
    folder = deployments / f"{name}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True, mode=0o700)
    try:
        shutil.copytree(find(model_folder), folder / "model", ignore=shutil.ignore_patterns(*NOT_HASHED))
        found = digest(folder / "model")
        if sha256 is not None and found != sha256:
            raise EndpointError(
                f"Version {version} was not deployed: the model in {model_folder} is not the one that was "
                f"registered (its SHA-256 is {found}, the registry says {sha256}). Register the model again."
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def sweep(deployments: Path, record: Mapping[str, Any]) -> None:
    """Delete the folders of versions that nobody can go back to any more, as the endpoint's record tells."""
    kept = {(record.get(role) or {}).get("deployment") for role in ("stable", "new", "previous")}
    for path in deployments.glob("*"):
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
