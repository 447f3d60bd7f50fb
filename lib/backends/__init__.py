"""Backends: where stages run and where artifacts live. Each subpackage implements `base.Backend`."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from lib import catalogue
from lib.errors import ParameterError
from lib.paths import resolve

if TYPE_CHECKING:
    from lib.backends.base import Backend, Check, Estimate, NotebookExecutor
    from lib.evidence.signing import Signer
    from lib.parameters import Parameters


def available() -> list[str]:
    """Return the names of all backends.

    Examples
    --------
    >>> available()
    ['azureml', 'local']
    """
    return catalogue.names(__name__, are_folders=True)


def faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each problem that the backend can detect before a kernel starts."""
    return _backend_module(parameters).faults(parameters)


def remote_executors(parameters: Parameters, stages: Sequence[str]) -> dict[str, NotebookExecutor]:
    """Return the remote executor of each stage; stages that run on this machine are omitted."""
    return _backend_module(parameters).remote_executors(parameters, stages)


def estimate(parameters: Parameters, stages: Sequence[str]) -> Estimate | None:
    """Estimate the cost of a run.

    Parameters
    ----------
    parameters : Parameters
    stages : sequence of str
        The stage of each notebook in the run.

    Returns
    -------
    Estimate or None
        None if the backend is free of charge.

    Raises
    ------
    GateError
        If the expected cost exceeds ``max_cost_usd``.
    """
    return _backend_module(parameters).estimate(parameters, stages)


def diagnose(parameters: Parameters) -> list[Check]:
    """Check the prerequisites of a run, and return one result for each."""
    return _backend_module(parameters).diagnose(parameters)


def connect(parameters: Parameters) -> Backend:
    """Connect to the backend named by the parameter ``backend``.

    Raises
    ------
    NameNotFound
        If no backend has that name. The message suggests the most similar name.
    """
    return _backend_module(parameters).connect(parameters)


def signer(parameters: Parameters) -> Signer | None:
    """Return the signer with the key in ``signing_key``; None if the parameter is empty.

    Raises
    ------
    ParameterError
        If there is no such key, or the key cannot sign.
    """
    from lib.evidence.signing import KeySigner
    from lib.secrets import references

    reference = parameters.get("signing_key") or ""
    if not reference:
        return None
    if reference.startswith(f"{references.KEY_VAULT}:"):
        return connect(parameters).signer(reference.partition(":")[2])
    if references.is_reference(reference):
        return KeySigner(references.read_variable(reference).encode(), reference)
    try:
        return KeySigner(resolve(reference).read_bytes(), reference)
    except OSError as error:
        raise ParameterError(f"signing_key: {reference} cannot be read ({error.strerror}).") from error


def redact_tracking(parameters: Parameters, run_name: str) -> list[tuple[str, str]]:
    """Redact secrets in the MLflow runs that belong to a run folder, and return the place and kind of each."""
    return _backend_module(parameters).redact_tracking(parameters, run_name)


def missing_artifacts(parameters: Parameters, stage: str, name: str, run_name: str) -> list[str]:
    """Describe the missing artifacts of an earlier stage; see `artifact_check.missing_artifacts`."""
    from lib.backends import artifact_check

    return artifact_check.missing_artifacts(parameters, stage, name, run_name)


def _backend_module(parameters: Parameters) -> ModuleType:
    """Import the package of the backend that the parameter ``backend`` names."""
    return catalogue.load(__name__, parameters.backend, kind="backend", are_folders=True)
