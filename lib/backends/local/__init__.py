"""The laptop: MLflow on SQLite, artifacts and data in folders, an endpoint on 127.0.0.1; nothing else is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.backends.local.files import local_path
from lib.errors import InputError

if TYPE_CHECKING:
    from lib.backends.local.backend import LocalBackend
    from lib.parameters import Parameters


def faults(parameters: Parameters) -> list[str]:
    """What can be seen to be wrong before anything is started: a sentence each."""
    try:
        local_path(parameters.data)
    except InputError as error:
        return [f"data: {error}"]
    return []


def connect(parameters: Parameters) -> LocalBackend:
    """Backend on this machine."""
    from lib.backends.local.backend import LocalBackend

    return LocalBackend(parameters)
