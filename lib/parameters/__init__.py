"""Parameters: loaded, laid over one another, and checked before a kernel starts.

Defaults live in ``parameters/base.yaml`` only. `specs` says what each parameter may be, `layers` reads the
files, `checks` finds every fault; a notebook gets those that its parameters cell names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib import metrics
from lib.errors import NameNotFound
from lib.metrics import Metric
from lib.parameters.checks import check, check_given
from lib.parameters.layers import BASE, Layers, load
from lib.parameters.specs import SPECS, Spec

__all__ = ["BASE", "SPECS", "Layers", "Parameters", "Spec", "check", "check_given", "load"]


class Parameters(Mapping[str, Any]):
    """Checked parameters of a run, read by name: ``parameters.target_column``.

    Parameters
    ----------
    values : mapping
        A value for each name.

    Raises
    ------
    NameNotFound
        When one is read that is not there; a notebook holds only the ones that its parameters cell names.
    """

    def __init__(self, values: Mapping[str, Any]):
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise NameNotFound("parameter", name, self._values, where="what this notebook was given")
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    @property
    def metric(self) -> Metric:
        """The task's metric named by ``primary_metric``."""
        return metrics.get(self.primary_metric, self.task)

    def get(self, name: str, default: Any = None) -> Any:
        """Value of a name, or the default where it is not there; the one of Mapping expects a KeyError."""
        return self._values.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self):
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
