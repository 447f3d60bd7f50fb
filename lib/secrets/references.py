"""References to secrets in parameters, and their values.

``env:NAME`` and ``keyvault:NAME`` stand for the whole value of a parameter, ``${NAME}`` for a part of an address. Only
a reference is ever stored; the value exists in the kernel that uses it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lib.errors import DataError, ParameterError
from lib.secrets import known_values

ENVIRONMENT, KEY_VAULT = "env", "keyvault"
_REFERENCE = re.compile(r"(env|keyvault):([A-Za-z0-9_.-]+)")
_VARIABLE = re.compile(r"\$\{(\w+)\}")

ReadVault = Callable[[str], str]


def is_reference(value: Any) -> bool:
    """Return whether a value is a reference to a secret.

    >>> is_reference("env:SALES_TOKEN"), is_reference("see env:SALES_TOKEN"), is_reference("env:")
    (True, False, False)
    """
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def find_references(value: Any) -> Iterator[str]:
    """Yield the references in a value and in the lists and mappings within it, and each ``${NAME}`` in its texts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for element in value:
            yield from find_references(element)
    elif is_reference(value):
        yield value
    elif isinstance(value, str):
        yield from (match[0] for match in _VARIABLE.finditer(value))


def resolve(value: Any, read_vault: ReadVault) -> Any:
    """Return a value in which each reference, also within lists and mappings, is replaced by the secret.

    Parameters
    ----------
    value : object
        Value of a parameter.
    read_vault : callable
        Returns the secret with a name from the backend's vault.

    Raises
    ------
    ParameterError
        If an environment variable is not set, or the vault has no such secret.

    Examples
    --------
    >>> resolve({"token": "keyvault:sales"}, lambda name: f"the secret {name}")
    {'token': 'the secret sales'}
    >>> known_values.forget_all()
    """
    if isinstance(value, Mapping):
        return {key: resolve(element, read_vault) for key, element in value.items()}
    if isinstance(value, list):
        return [resolve(element, read_vault) for element in value]
    if not is_reference(value):
        return value
    kind, _, name = value.partition(":")
    secret = _read_variable(name, value) if kind == ENVIRONMENT else read_vault(name)
    known_values.remember(value, secret)
    return secret


def read_variable(reference: str) -> str:
    """Return the environment variable that ``env:NAME`` refers to; raise a ParameterError if it is not set."""
    return str(resolve(reference, _refuse_vault))


def expand_address(address: str) -> str:
    """Return an address in which each ``${NAME}``, or ``env:NAME`` as a whole, is replaced by the environment variable.

    Raises
    ------
    DataError
        If a variable is not set.

    Examples
    --------
    >>> os.environ["SALES_SIGNATURE"] = "sig=abc"
    >>> expand_address("https://store/x.csv?${SALES_SIGNATURE}&cost=$SALES_SIGNATURE")
    'https://store/x.csv?sig=abc&cost=$SALES_SIGNATURE'
    >>> known_values.forget_all()
    """
    try:
        if address.startswith(f"{ENVIRONMENT}:") and is_reference(address):
            return resolve(address, _refuse_vault)
        return _VARIABLE.sub(lambda match: _remember_variable(match[1], match[0], address), address)
    except ParameterError as error:
        raise DataError(str(error)) from None


def remember_environment(values: Any) -> None:
    """Remember the value of each environment variable that parameters refer to, as far as it is set."""
    for reference in find_references(values):
        name = reference.strip("${}").removeprefix(f"{ENVIRONMENT}:")
        if not reference.startswith(f"{KEY_VAULT}:") and name in os.environ:
            known_values.remember(reference, os.environ[name])


def _remember_variable(name: str, reference: str, address: str) -> str:
    value = _read_variable(name, address)
    known_values.remember(reference, value)
    return value


def _read_variable(name: str, source: str) -> str:
    if name not in os.environ:
        raise ParameterError(f"{source}: the environment variable {name} is not set. Set it before the run.")
    return os.environ[name]


def _refuse_vault(name: str) -> str:
    raise ParameterError(f"keyvault:{name} is not an address that can be read here.")
