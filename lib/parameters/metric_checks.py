"""Checks of ``primary_metric`` and ``metrics``; modules of the customer are parsed, not imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib import metrics
from lib.errors import CodeError, suggest
from lib.metrics import custom


def metric_faults(values: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each fault of the primary metric and of the customer's own metrics."""
    if "task" not in values:
        return []
    task, own = values["task"], values.get("metrics") or {}
    known = [*metrics.names(task), *custom.names()]
    faults = []
    if "primary_metric" in values and values["primary_metric"] not in known:
        metric = values["primary_metric"]
        faults.append(f"primary_metric: {metric!r} is not a metric of a {task} task. {suggest(metric, known)}")
    for name in dict.fromkeys([*own, values.get("primary_metric")]):
        if name in custom.names():
            faults += _task_faults(name, task)
        elif name in own:
            faults.append(_unknown_fault(name))
    return faults


def _unknown_fault(name: str) -> str:
    """Return why a name in ``metrics`` cannot be used: it is a metric of Millrace, or nobody's."""
    if any(metric.name == name for metric in metrics.METRICS):
        return f"metrics: {name} is always computed and has no options. List only metrics of custom/metrics."
    return f"metrics: there is no {name} in custom/metrics/. {suggest(name, custom.names())}"


def _task_faults(name: str, task: str) -> list[str]:
    """Return why a metric of the customer's cannot score a task."""
    try:
        extension = custom.find(name)
    except CodeError as error:
        return [str(error)]
    tasks = custom.read_tasks(extension.file) if extension is not None and extension.file is not None else ()
    if extension is None or not tasks or task in tasks:
        return []
    return [f"metrics: {name} scores {' and '.join(tasks)} tasks ({extension.origin}: TASKS), and task is {task}."]
