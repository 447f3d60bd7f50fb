"""The client of SDK version 2."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lib.backends.azureml.login import Login

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def make_client(names: Mapping[str, str], login: Login) -> MLClient:
    """Return a client of SDK version 2 for a workspace."""
    # The SDK warns about classes of its own that are experimental.
    logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)
    from azure.ai.ml import MLClient

    return MLClient(
        login.credential,
        subscription_id=names["subscription_id"],
        resource_group_name=names["resource_group"],
        workspace_name=names["workspace_name"],
        show_progress=False,
        enable_telemetry=False,
    )
