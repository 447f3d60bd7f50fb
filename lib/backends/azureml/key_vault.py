"""Secrets of the key vault that belongs to the workspace."""

from __future__ import annotations

from typing import Any

from lib.backends.azureml.error_translation import is_not_found, translate_error
from lib.errors import ParameterError


def read_secret(workspace: Any, name: str) -> str:
    """Return the secret with a name.

    https://learn.microsoft.com/azure/machine-learning/how-to-use-secrets-in-runs

    Parameters
    ----------
    workspace : azureml.core.Workspace
    name : str

    Raises
    ------
    ParameterError
        If the vault has no such secret.
    """
    try:
        secret = workspace.get_default_keyvault().get_secret(name)
    except Exception as error:
        if not is_not_found(error):
            raise translate_error(error, f"read the secret {name} of the key vault") from error
        secret = None
    if not secret:
        raise ParameterError(
            f"keyvault:{name}: the key vault of the workspace {workspace.name} has no secret of this name. Add it with "
            f"az keyvault secret set --vault-name VAULT --name {name} --value ..., and run again."
        )
    return str(secret)
