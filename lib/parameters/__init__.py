"""Parameters: loaded in layers, and checked before a kernel starts.

Defaults live in ``parameters/base.yaml`` only. `specs` defines what each parameter may be, `layers` reads the files,
`checks` reports all faults, and `renamed` lists old names that still work.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lib import metrics
from lib.errors import NameNotFound
from lib.metrics import Metric
from lib.parameters.checks import check, check_given
from lib.parameters.layers import BASE, Layers, load
from lib.parameters.secret_checks import RESOLVED
from lib.parameters.specs import AZURE, COMMON, SPECS, Spec
from lib.secrets import references

__all__ = ["AZURE", "BASE", "COMMON", "SPECS", "Layers", "Parameters", "Spec", "check", "check_given", "load"]


# Parameters that contain names of columns. Unicode has several spellings of some names, which mean the same column.
_COLUMN_PARAMETERS = (
    "target_column",
    "time_column",
    "drop_columns",
    "key_columns",
    "private_columns",
    "cost_column",
    "weight_column",
    "groups",
    "request_log_columns",
    "columns",
)


class Parameters(Mapping[str, Any]):
    """Checked parameters of a run, read by name: ``parameters.target_column``.

    Parameters
    ----------
    values : mapping
        The value of each parameter.
    read_vault : callable, optional
        Returns the secret with a name from the backend's vault. With it, ``parameters.options`` contains the secrets
        that ``options`` refers to; ``parameters["options"]``, like every listing, contains the references.

    Examples
    --------
    >>> parameters = Parameters({"seed": 42, "test_fraction": 0.2})
    >>> parameters.seed
    42
    >>> with parameters.restricted_to(["seed"], declared_in="lib/stages/train.py"):
    ...     dict(parameters)
    {'seed': 42}
    """

    def __init__(self, values: Mapping[str, Any], read_vault: references.ReadVault | None = None):
        self._values = {name: _normalize_columns(name, value) for name, value in values.items()}
        self._read_vault = read_vault
        self._hidden: frozenset[str] = frozenset()
        self._declared_in = ""

    def __getitem__(self, name: str) -> Any:
        if name in self._hidden or (self._declared_in and name in SPECS and name not in self._values):
            raise NameNotFound(
                "parameter",
                name,
                self,
                where=f"the PARAMETERS of {self._declared_in}; add it there if the stage needs it",
            )
        if name not in self._values:
            raise NameNotFound("parameter", name, self, where="the parameters of this notebook")
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._read_vault is not None and name in RESOLVED:
            return references.resolve(self[name], self._read_vault)
        return self[name]

    def extended(self, values: Mapping[str, Any]) -> Parameters:
        """Return a copy with further or other values, from which no parameter is hidden but those hidden here."""
        copy = Parameters({**self, **values}, self._read_vault)
        copy._declared_in = self._declared_in
        return copy

    @property
    def metric(self) -> Metric:
        """The task's metric named by ``primary_metric``."""
        return metrics.get(self.primary_metric, self.task, (self.get("metrics") or {}).get(self.primary_metric) or {})

    @property
    def own_metrics(self) -> list[Metric]:
        """The metrics of the customer's own that the use case names: those in ``metrics``, and the primary one."""
        options = self.get("metrics") or {}
        own_names = metrics.custom.names()
        names = [*options, *([] if self.primary_metric in options else [self.primary_metric])]
        return [metrics.get(name, self.task, options.get(name) or {}) for name in names if name in own_names]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a parameter, or the default if it is not set.

        Raises
        ------
        NameNotFound
            If the parameter is set, but the current stage does not declare it.
        """
        return self[name] if name in self._values else default

    @contextlib.contextmanager
    def restricted_to(self, names: Iterable[str], declared_in: str) -> Iterator[None]:
        """Hide all but some parameters inside a ``with`` block, so that reading a hidden one raises an error.

        The result of a stage is reused as long as the declared parameters are the same. Hiding all other parameters
        makes sure that none of them can change the result. Inputs of a stage, such as ``train_data``, stay visible.

        Parameters
        ----------
        names : iterable of str
            The parameters that may be read.
        declared_in : str
            The file whose ``PARAMETERS`` declares these names, for the message.
        """
        previous = self._hidden, self._declared_in
        self._hidden, self._declared_in = frozenset(SPECS) - frozenset(names), declared_in
        try:
            yield
        finally:
            self._hidden, self._declared_in = previous

    def __contains__(self, name: object) -> bool:
        return name in self._values and name not in self._hidden

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._values if name not in self._hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _normalize_columns(parameter: str, value: Any) -> Any:
    """Return the value of a parameter; column names in it get composed characters (NFC) and lose outer spaces."""
    if parameter not in _COLUMN_PARAMETERS:
        return value
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).strip()
    if isinstance(value, dict):
        return {_normalize_columns(parameter, name): entry for name, entry in value.items()}
    return [_normalize_columns(parameter, name) for name in value] if isinstance(value, list) else value
