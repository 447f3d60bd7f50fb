"""The names of online endpoints, and the use cases that have one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lib.backends.azureml.error_translation import retry
from lib.backends.azureml.resources import USE_CASE_TAG

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection

_MAX_NAME_LENGTH = 32


def endpoint_name(use_case: str, workspace: Mapping[str, str]) -> str:
    """Return the name of a use case's endpoint.

    Endpoint names must be unique in an Azure region, so a hash of the workspace's names is appended.

    Parameters
    ----------
    use_case : str
    workspace : mapping of str
        Subscription, resource group and workspace.

    Examples
    --------
    >>> endpoint_name("flights", {"workspace_name": "mlw"})
    'flights-6fe640'
    """
    suffix = hashlib.sha256("/".join(workspace.values()).lower().encode()).hexdigest()[:6]
    return f"{use_case[: _MAX_NAME_LENGTH - 1 - len(suffix)].rstrip('-')}-{suffix}"


def deployed_use_cases(connection: Connection) -> list[str]:
    """Return the names of all use cases that have an endpoint in the workspace."""
    endpoints = retry(lambda: list(connection.client.online_endpoints.list()), "list the endpoints")
    return sorted(endpoint.tags[USE_CASE_TAG] for endpoint in endpoints if USE_CASE_TAG in (endpoint.tags or {}))
