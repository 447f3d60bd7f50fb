"""Metrics of the customer: ``custom/metrics/<name>.py``, each a function with its direction.

::

    GREATER_IS_BETTER = False
    TASKS = ("binary",)             # optional; by default all tasks

    def score(truth, predictions, rows, *, cost_per_call: float = 5.0):
        ...
        return 12.5

``truth`` has the true values, ``predictions`` is a `Predictions`, and ``rows`` a DataFrame with the raw columns of the
same rows. The keyword-only arguments are options, which users set under ``metrics:`` in their parameter file. The file
is parsed, not imported, where only its name, tasks or options are needed.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from lib import extensions
from lib.errors import CodeError, InputError, NameNotFound
from lib.extensions import Extension

if TYPE_CHECKING:
    from lib.metrics import Metric

PACKAGE = "lib.metrics"
FUNCTION, DIRECTION, TASKS = "score", "GREATER_IS_BETTER", "TASKS"
AZURE_NAME = "AZURE_METRIC"  # optional: the most similar primary metric of Azure's AutoML
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


def names() -> list[str]:
    """Return the names of the customer's metrics."""
    return [extension.name for extension in extensions.find_extensions(PACKAGE)]


def find(name: str) -> Extension | None:
    """Return the module of one of the customer's metrics; None if there is no such metric.

    Raises
    ------
    CodeError
        If the name is used twice, or is that of a metric of Millrace.
    """
    from lib.metrics import METRICS

    matches = [extension for extension in extensions.find_extensions(PACKAGE) if extension.name == name]
    origins = ["lib/metrics/__init__.py"] if any(metric.name == name for metric in METRICS) else []
    origins += [extension.origin for extension in matches]
    if matches and len(origins) > 1:
        raise CodeError(
            f"Metric {name!r} is defined {len(origins)} times: by {' and by '.join(origins)}. Rename your own, and use "
            "the new name in the parameters."
        )
    return matches[0] if matches else None


def read_tasks(file: Path) -> tuple[str, ...]:
    """Return the tasks that a metric's file declares; empty if it declares none or cannot be parsed."""
    try:
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for statement in body:
            if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == [TASKS]:
                value = ast.literal_eval(statement.value)
                return (value,) if isinstance(value, str) else tuple(value)
    except (SyntaxError, ValueError, TypeError):
        return ()
    return ()


def load(name: str, task: str, options: Mapping[str, Any] = NO_OPTIONS) -> Metric:
    """Return one of the customer's metrics.

    Parameters
    ----------
    name : str
    task : str
    options : mapping
        Values of the function's keyword-only arguments.

    Raises
    ------
    NameNotFound
        If there is no such metric.
    CodeError
        If its module cannot be imported, or lacks the function or its direction.
    """
    from lib.metrics import TASKS as ALL_TASKS
    from lib.metrics import Metric

    extension = find(name)
    if extension is None:
        raise NameNotFound("metric", name, names(), where="custom/metrics/")
    module = extension.import_module()
    function = getattr(module, extension.attribute or FUNCTION, None)
    if not callable(function):
        raise CodeError(
            f"{extension.origin} defines no function {extension.attribute or FUNCTION}(truth, predictions, rows)."
        )
    tasks = getattr(module, TASKS, None) or ALL_TASKS
    return Metric(
        name,
        (task,) if task in tasks else tuple(tasks),
        _Scorer(function, name, extension.origin, dict(options)),
        greater_is_better=_read_direction(module, extension),
        automl_name=getattr(module, AZURE_NAME, None),
        options=dict(options),
        is_custom=True,
    )


def _read_direction(module: ModuleType, extension: Extension) -> bool:
    """Return whether higher values of a metric are better."""
    direction = getattr(module, DIRECTION, None)
    if not isinstance(direction, bool):
        raise CodeError(
            f"{extension.origin} does not say which values are better. Add {DIRECTION} = True if a higher value is "
            f"better, as for a profit, or {DIRECTION} = False, as for a cost."
        )
    return direction


class _Scorer:
    """Calls the customer's function with the rows of the predictions, and checks the result."""

    def __init__(self, function: Any, name: str, origin: str, options: dict[str, Any]):
        self._function, self._name, self._origin, self._options = function, name, origin, options

    def __call__(self, truth: Any, predictions: Any) -> float:
        """Return the score of predictions."""
        try:
            score = self._function(truth, predictions, predictions.rows, **self._options)
        except InputError:
            raise
        except Exception as error:
            raise CodeError(
                f"{extensions.describe_failure(error, self._origin)}, in the metric {self._name}."
            ) from error
        try:
            return float(score)
        except (TypeError, ValueError):
            raise CodeError(
                f"{self._origin}: {self._name} returned {type(score).__name__} {str(score)[:80]!r}; expected a number."
            ) from None
