"""The records of runs after their workspace was copied or moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lib.paths import resolve

WORKSPACE = "workspace"  # key of a run's record


def workspace_uri(parameters: Mapping[str, Any]) -> str:
    """Return the URI of the workspace folder that the parameters name; empty if they name none."""
    workspace = parameters.get("workspace")
    return resolve(workspace).as_uri() if workspace else ""


def follow_workspace(state: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a run with the URIs of outputs in the workspace as it is now.

    Parameters
    ----------
    state : dict
        The content of ``run.json``, with the workspace's URI at the time of the run.
    parameters : mapping
        ``workspace`` is the current folder.

    Returns
    -------
    dict
        The same record if the workspace is still in its place, or if the record does not say where it was.
    """
    from lib.backends.local.relocation import is_elsewhere

    recorded, current = state.get(WORKSPACE, ""), workspace_uri(parameters)
    if not recorded or not current or not is_elsewhere(f"{recorded}/artifacts", f"{current}/artifacts"):
        return state
    text = json.dumps(state, ensure_ascii=False).replace(f"{recorded}/", f"{current}/")
    return {**json.loads(text), WORKSPACE: current}
