"""Checks of secrets in parameters: none may stand in a parameter, and references only where a kernel resolves them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lib.secrets import credential_shapes, references

# Parameters that are resolved when code in a kernel reads them: ``parameters.options``.
RESOLVED = ("options", "hyperparameters", "scheduler_address")
# `data` is resolved when the table is read, so that messages show the reference.
# `notify` and `signing_key` are read by the chain itself, when a run has ended.
_REFERABLE = (*RESOLVED, "data", "notify", "signing_key")


def find_secret_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each parameter that contains a secret, or a reference in a place without secrets.

    Parameters
    ----------
    values : mapping
        The value of each parameter, unchecked.

    Examples
    --------
    >>> find_secret_faults({"options": {"token": "env:SALES_TOKEN"}})
    []
    >>> find_secret_faults({"seed": "env:SEED"})[0].partition(", but")[0]
    'seed: env:SEED refers to a secret'
    """
    return [fault for name, value in values.items() for fault in _find_faults(str(name), value, str(name))]


def _find_faults(parameter: str, value: Any, place: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, element in value.items():
            yield from _find_faults(parameter, element, f"{place}.{key}")
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from _find_faults(parameter, element, f"{place}[{number}]")
    elif isinstance(value, str):
        if kind := credential_shapes.find(value):
            yield (
                f"{place} contains a secret ({kind}), which every notebook would show. Put it into an environment "
                "variable, and write env:NAME for the whole value, or ${NAME} inside an address. If the secret was "
                "stored in a file or on a command line, replace it by a new one."
            )
        elif references.is_reference(value) and parameter not in _REFERABLE:
            yield f"{place}: {value} refers to a secret, but only {', '.join(_REFERABLE)} can."
