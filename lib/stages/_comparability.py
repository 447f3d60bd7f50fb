"""Reasons why the production version cannot be compared with the candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lib.backends.model_files import IncompatibleModelError
from lib.backends.models import ModelVersion
from lib.errors import DataError
from lib.metrics import Predictions
from lib.stages._fair_rows import NotComparableError

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

_MAX_REASON_LENGTH = 500  # MLflow truncates tags at 8,000 characters, and the decision is published as JSON in one
_MAX_LISTED_CLASSES = 12


def explain_incomparability(error: Exception, version: ModelVersion) -> str:
    """Return why the production version cannot be compared, as the end of a sentence."""
    if isinstance(error, NotComparableError):
        return str(error)
    if isinstance(error, IncompatibleModelError):
        return f"version {version.version} in production {error.reason}"
    return f"version {version.version} in production cannot be scored ({_shorten(error)})"


def describe_target_change(backend: Backend, version: ModelVersion, parameters: Parameters) -> str:
    """Return how the target of the production version differs from today's target; empty if it does not."""
    try:
        logged = backend.tracking.candidate_run(version.run_id).data.params
    except DataError:  # the run was deleted
        return ""
    target, task = (logged.get(name, parameters[name]) for name in ("target_column", "task"))
    if target != parameters.target_column:
        return (
            f"version {version.version} in production predicts {target}, and today's target is "
            f"{parameters.target_column}"
        )
    if task != parameters.task and "regression" in (task, parameters.task):
        return (
            f"version {version.version} in production predicts {target} as a {_describe_task(task)}, and today it is a "
            f"{_describe_task(parameters.task)}"
        )
    return ""


def _describe_task(task: str) -> str:
    """Return what a task predicts, in words."""
    return "number" if task == "regression" else f"class ({task})"


def describe_class_change(
    champion: Predictions, candidate: Predictions, version: ModelVersion, parameters: Parameters
) -> str:
    """Return how the classes of the production version differ from today's; empty if they can be compared.

    Classes that were only added or only removed can be compared: the champion is then wrong in the rows of the new
    classes. If some appear and others disappear, they may have been renamed, and scores would count each row of a
    renamed class as wrong.
    """
    if champion.classes is None:
        return ""
    old, new = champion.class_names, candidate.class_names
    if set(old) <= set(new) or set(new) <= set(old):
        return ""
    return (
        f"version {version.version} in production predicts the classes {_list_classes(old)} of "
        f"{parameters.target_column}, and today's classes are {_list_classes(new)}"
    )


def _list_classes(names: list[Any]) -> str:
    """Return the names of classes in quotes, abbreviated if there are many."""
    listed = ", ".join(repr(str(name)) for name in names[:_MAX_LISTED_CLASSES])
    return listed if len(names) <= _MAX_LISTED_CLASSES else f"{listed} and {len(names) - _MAX_LISTED_CLASSES} more"


def _shorten(error: Exception) -> str:
    """Return an error's type and message, truncated if the message is long."""
    reason = f"{type(error).__name__}: {error}"
    return reason if len(reason) <= _MAX_REASON_LENGTH else f"{reason[:_MAX_REASON_LENGTH]} ..."
