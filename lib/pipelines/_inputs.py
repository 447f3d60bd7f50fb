"""The inputs of a stage. An empty input is replaced by the newest output of an earlier notebook."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib.errors import DataError, format_count
from lib.parameters import Parameters

if TYPE_CHECKING:
    from lib.backends.base import Backend

# The stage that publishes each output. Candidates are published by several runs of train or automl.
_PUBLISHED_BY = {
    "train_data": "preprocess",
    "test_data": "preprocess",
    "baseline": "preprocess",
    "decision": "evaluate",
    "endpoint_url": "deploy",
    "sample_request": "deploy",
    "history": "monitor",
}


def fill_inputs(
    inputs: Mapping[str, Any],
    parameters: Parameters,
    backend: Backend,
    optional: Collection[str] = (),
    own_stages: Sequence[str] = (),
) -> dict[str, Any]:
    """Replace each empty input by the newest output with its name.

    Parameters
    ----------
    inputs : mapping
        The inputs that the notebook gives, by name.
    parameters : Parameters
        Parameters of the use case. They may contain inputs too, which replace empty ones.
    backend : Backend
        Finds the outputs of earlier notebooks.
    optional : collection of str
        Inputs that may stay empty.
    own_stages : sequence of str
        The customer's stages, which may have published an input, too.

    Raises
    ------
    DataError
        If a required input is empty, and no earlier notebook has published it.
    """
    filled: dict[str, Any] = {}
    for name, value in inputs.items():
        value = value or parameters.get(name) or _newest_output(name, parameters, backend, own_stages)
        if not value and name not in optional:
            raise DataError(_missing_message(name, parameters, backend))
        filled[name] = value or ""
    return filled


def _missing_message(name: str, parameters: Parameters, backend: Backend) -> str:
    """Return the message about a required input that no earlier notebook has published."""
    if name == "candidates":
        earlier = backend.tracking.newest_candidates(parameters.name, None, parameters.target_column, parameters.task)
        if earlier:
            trained = format_count(len(earlier), "candidate was", "candidates were")
            return (
                f"{trained} trained on other rows than those of the newest preprocess run: run 03_train again, or "
                "03_automl."
            )
    return (
        f"{name} is empty, and no earlier notebook of {parameters.name} has published it in this workspace "
        f"({parameters.workspace}). Run the earlier notebooks first."
    )


def _newest_output(name: str, parameters: Parameters, backend: Backend, own_stages: Sequence[str]) -> Any:
    """Return the newest output called `name` that an earlier notebook published, or an empty value."""
    tracking, experiment = backend.tracking, parameters.name
    if name == "candidates":
        train_data = tracking.newest_output(experiment, "preprocess", "train_data") or ""
        return tracking.newest_candidates(experiment, train_data, parameters.target_column, parameters.task)
    # An input that no notebook publishes, such as the rows to monitor, has no stage.
    stages = [*own_stages, *([_PUBLISHED_BY[name]] if name in _PUBLISHED_BY else [])]
    return next(filter(None, (tracking.newest_output(experiment, stage, name) for stage in stages)), None)
