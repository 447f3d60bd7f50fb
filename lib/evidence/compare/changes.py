"""What went into two runs differently: data, parameters, seed, code, package versions and machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lib.evidence.report.run_files import RunFiles

DATA, PARAMETER, SEED, CODE, VERSION, MACHINE = "data", "parameter", "seed", "code", "version", "machine"
STAGES = ("setup", "preprocess", "train", "evaluate", "deploy", "monitor")
_CONTENT = "the content of "
# They say where a run writes, what it is called and whom it tells, not what it computes.
_IGNORED_PARAMETERS = ("run_name", "workspace", "runs_folder", "notify", "fork_kernels", "max_parallel_notebooks")
_MACHINE_PARAMETERS = ("threads", "scheduler_address")
# What a stage hands to the next one differs as a consequence.
_STAGE_INPUTS = ("train_data", "test_data", "baseline", "candidates", "decision")
_LOCK, _PYTHON = "requirements.lock", "Python"
# The stages whose results a file of the code can change, by the beginning of its path; the first that fits counts.
_CODE_STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lib/tables/", ("preprocess",)),
    ("lib/schema/", ("preprocess", "train")),
    ("lib/stages/preprocess", ("preprocess",)),
    ("lib/stages/train", ("train",)),
    ("lib/stages/automl", ("train",)),
    ("lib/stages/evaluate", ("evaluate",)),
    ("lib/stages/deploy", ("deploy",)),
    ("lib/stages/setup", ("setup",)),
    ("lib/stages/", ("train", "evaluate")),
    ("lib/training/", ("train",)),
    ("lib/automl/", ("train",)),
    ("lib/evaluation/", ("evaluate", "train")),
    ("lib/metrics/", ("train", "evaluate")),
    ("lib/scoring/", ("train", "evaluate", "deploy")),
    ("lib/serving/", ("deploy",)),
    ("lib/pipelines/", ("preprocess", "train", "evaluate")),
    ("custom/", ("preprocess", "train", "evaluate")),
    ("notebooks/01", ("setup",)),
    ("notebooks/02", ("preprocess",)),
    ("notebooks/03", ("train",)),
    ("notebooks/04", ("evaluate",)),
    ("notebooks/05", ("deploy",)),
    ("notebooks/06", ("monitor",)),
)


@dataclass(frozen=True)
class Change:
    """One thing that went into two runs differently.

    Attributes
    ----------
    kind : str
        `DATA`, `PARAMETER`, `SEED`, `CODE`, `VERSION` or `MACHINE`.
    name : str
        Parameter, file or package.
    before, after : str
        Its value in the first and in the second run; an empty text if it was not there.
    stages : tuple of str
        The stages whose results it can change; empty for code that changes no result, such as that of the report.
    """

    kind: str
    name: str
    before: str
    after: str
    stages: tuple[str, ...]


def find_changes(first: RunFiles, second: RunFiles) -> list[Change]:
    """Return everything that went into two runs differently.

    Parameters
    ----------
    first, second : RunFiles
    """
    return [
        *_find_parameter_changes(first, second),
        *_find_file_changes(first, second),
        *_find_version_changes(first, second),
        *_find_machine_changes(first, second),
    ]


def _find_parameter_changes(first: RunFiles, second: RunFiles) -> Iterator[Change]:
    before, after = flatten(first.parameters), flatten(second.parameters)
    readers = _read_stages_of_parameters(first, second)
    for name in sorted({*before, *after}):
        top = name.partition(".")[0]
        if before.get(name) == after.get(name) or top in _IGNORED_PARAMETERS:
            continue
        # A file that moved without a change of its content is not another table.
        if top == "data" and _hash_data(first) and sorted(_hash_data(first)) == sorted(_hash_data(second)):
            continue
        kind = {"seed": SEED, "data": DATA}.get(top, MACHINE if top in _MACHINE_PARAMETERS else PARAMETER)
        stages = readers.get(top, ())
        yield Change(kind, name, before.get(name, ""), after.get(name, ""), stages)


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return each parameter as JSON, with those inside a mapping under names with dots.

    >>> flatten({"seed": 7, "hyperparameters": {"linear": {"c": 0.1}}})
    {'seed': '7', 'hyperparameters.linear.c': '0.1'}
    """
    flat: dict[str, str] = {}
    for key, value in parameters.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return flat


def _read_stages_of_parameters(*runs: RunFiles) -> dict[str, tuple[str, ...]]:
    """Return the stages that read each parameter, according to their fingerprints; ``data`` acts where it is read."""
    readers: dict[str, set[str]] = {}
    for run in runs:
        for stage in run.stages:
            for key in stage.get("fingerprint", {}):
                name = key.removeprefix(_CONTENT).partition(".")[0].partition("[")[0]
                readers.setdefault(name, set()).add(find_stage(stage["stage"]))
    readers["data"] = {"preprocess"}
    readers["training_functions"] = {"train"}
    return {name: tuple(stage for stage in STAGES if stage in stages) for name, stages in readers.items()}


def find_stage(label: str) -> str:
    """Return the stage of a label such as "train linear"; AutoML takes the place of train."""
    stage = label.partition(" ")[0]
    return "train" if stage == "automl" else stage


def _find_file_changes(first: RunFiles, second: RunFiles) -> Iterator[Change]:
    before, after = _hash_files(first), _hash_files(second)
    for name in sorted({*before, *after}):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            kind = VERSION if name == _LOCK else CODE
            yield Change(kind, name, old[:12], new[:12], _find_stages_of_file(name))
    old_data, new_data = _hash_data(first), _hash_data(second)
    for name in sorted({*old_data, *new_data}):
        old, new = old_data.get(name, ""), new_data.get(name, "")
        if old != new and new not in old_data.values():
            yield Change(DATA, name, old[:12], new[:12], ("preprocess",))


def _hash_files(run: RunFiles) -> dict[str, str]:
    """Return the SHA-256 of each file of code, and of the lock."""
    prints = [stage.get("fingerprint", {}) for stage in run.stages]
    files = {key: value for each in prints for key, value in each.items() if "/" in key or key == _LOCK}
    return files | {name: value for name, value in run.project_files.items() if name.startswith("custom/")}


def _hash_data(run: RunFiles) -> dict[str, str]:
    """Return the SHA-256 of each data file that the parameters name; of a run that was not sealed, by parameter."""
    if run.data_files:
        return dict(run.data_files)
    contents = [
        (key.removeprefix(_CONTENT), value)
        for stage in run.stages
        for key, value in stage.get("fingerprint", {}).items()
        if key.startswith(_CONTENT)
    ]
    return {name: value for name, value in contents if name not in _STAGE_INPUTS}


def _find_stages_of_file(name: str) -> tuple[str, ...]:
    if name == _LOCK:
        return STAGES
    return next((stages for beginning, stages in _CODE_STAGES if name.startswith(beginning)), ())


def _find_version_changes(first: RunFiles, second: RunFiles) -> Iterator[Change]:
    before, after = _read_versions(first), _read_versions(second)
    if not before or not after:
        return
    for name in sorted({*before, *after}):
        # Millrace's own version stands for its code, which is compared file by file.
        if before.get(name) != after.get(name) and name != "millrace":
            yield Change(VERSION, name, before.get(name, ""), after.get(name, ""), STAGES)


def _read_versions(run: RunFiles) -> dict[str, str]:
    versions = dict((run.state.get("started_by") or {}).get("versions", {}))
    for stage in run.stages:
        if _PYTHON in stage.get("fingerprint", {}):
            versions["python"] = stage["fingerprint"][_PYTHON]
    return versions


def _find_machine_changes(first: RunFiles, second: RunFiles) -> Iterator[Change]:
    before, after = ((run.state.get("started_by") or {}).get("machine", {}) for run in (first, second))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Change(MACHINE, name, str(before.get(name, "")), str(after.get(name, "")), STAGES)
