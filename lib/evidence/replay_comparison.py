"""The comparison of a run with its replay: parameters, rows, scores and predictions, in the order of the stages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlparse

_STAGES = ("preprocess", "train", "automl", "evaluate")
_TABLES = ("train_data", "test_data")
# These depend on the machine's load, or on the workspace.
_TIMES = re.compile(r"seconds|milliseconds|_ms\b|latency|duration")
_PLACES = ("train_data", "test_data", "baseline", "endpoint_url", "version")


@dataclass(frozen=True)
class Difference:
    """A value of a run that its replay did not repeat.

    Attributes
    ----------
    stage : str
        The stage and, if it trains several models, the name of the model.
    output : str
        What differs: ``rows of train_data``, ``metric roc_auc``, ...
    before, after : object
        The value in the run and in the replay.
    """

    stage: str
    output: str
    before: Any
    after: Any

    @property
    def size(self) -> float:
        """The absolute difference of two numbers; infinite for other values."""
        values = (self.before, self.after)
        if all(isinstance(value, int | float) for value in values):
            size = abs(self.before - self.after)
            return math.inf if math.isnan(size) else size
        return math.inf

    def __str__(self) -> str:
        return f"{self.stage}: {self.output} is {self.after} in the replay; it was {self.before}."


def compare_runs(original: Mapping[str, Any], replayed: Mapping[str, Any]) -> list[Difference]:
    """Return the differences between the MLflow runs of a run and those of its replay, in the order of the stages.

    Parameters
    ----------
    original, replayed : mapping
        The MLflow runs, as `lib.evidence.verifier.read_mlflow` returns them under ``runs``.

    Returns
    -------
    list of Difference
        Durations and addresses are not compared; the rows of a table are compared by the hash in its address.
    """
    before, after = _by_stage(original), _by_stage(replayed)
    differences: list[Difference] = []
    for key in sorted(before, key=lambda key: (_STAGES.index(key[0]), key[1])):
        title = key[0] if key[0] == key[1] else " ".join(key)
        if key in after:
            differences += _compare_stage(title, before[key], after[key])
        else:
            differences.append(Difference(title, "the MLflow run", before[key]["run"]["status"], "missing"))
    return differences


def _by_stage(runs: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return finished MLflow runs by stage and name; the last one if a stage was repeated."""
    finished = [facts for facts in runs.values() if facts["run"]["status"] == "FINISHED"]
    return {
        (facts["tag"]["stage"], facts["run"]["name"]): facts
        for facts in finished
        if facts["tag"].get("stage") in _STAGES
    }


def _compare_stage(title: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name in _TABLES:
        hashes = [_content_hash(facts["tag"].get(f"output.{name}", "")) for facts in (before, after)]
        if hashes[0] != hashes[1]:
            yield Difference(title, f"the content of {name}", *hashes)
    for name in sorted({*before["parameter"], *after["parameter"]} - {*_PLACES}):
        values = [facts["parameter"].get(name, "missing") for facts in (before, after)]
        if values[0] != values[1]:
            yield Difference(title, f"parameter {name}", *values)
    gates = sorted(tag for tag in {*before["tag"], *after["tag"]} if tag.startswith("gate."))
    for tag in gates:
        verdicts = [facts["tag"].get(tag, "missing") for facts in (before, after)]
        if verdicts[0] != verdicts[1]:
            yield Difference(title, f"the verdict of {tag}", *verdicts)
    for name in sorted({*before["metric"], *after["metric"]}):
        steps = [_last_step(facts["metric"].get(name)) for facts in (before, after)]
        if steps[0] != steps[1] and not _TIMES.search(name):
            yield Difference(title, f"metric {name}", *steps)


def _content_hash(address: str) -> str:
    """Return the name of the folder of a table, which is the hash of its rows; empty without a table."""
    return PurePosixPath(urlparse(address.strip('"')).path).parent.name


def _last_step(steps: Any) -> Any:
    return steps[-1][0] if steps else "missing"
