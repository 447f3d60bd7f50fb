"""What came out of two runs differently: statistics of the data, scores and the decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lib.evidence.compare.changes import STAGES, find_stage
from lib.evidence.report.run_files import RunFiles

# Facts that differ between any two runs.
_VOLATILE = ("fit_seconds", "search_seconds", "milliseconds", "url", "run_id", "best_run_id", "model_sha256", "version")
_SIZES = ("table_rows", "train_rows", "test_rows", "column_count", "target_column")
_STATISTICS = ("kind", "missing", "mean", "deviation", "distinct")


@dataclass(frozen=True)
class Result:
    """A result that two runs share by name.

    Attributes
    ----------
    stage : str
        The stage it comes from.
    name : str
    before, after : object
        JSON values; None if a run lacks the result.
    """

    stage: str
    name: str
    before: Any
    after: Any

    @property
    def is_equal(self) -> bool:
        """Whether the result is the same in both runs."""
        return self.before == self.after


def list_results(first: RunFiles, second: RunFiles) -> list[Result]:
    """Return the sizes, the statistics by column, the scores by model, and the decision of two runs."""
    return [*list_data_results(first, second), *list_scores(first, second), *_list_decisions(first, second)]


def find_first_difference(results: list[Result]) -> str:
    """Return the first stage with a result that differs; empty if all results are equal.

    Results that one of the runs lacks do not count: it may have left out the stage.
    """
    differing = {
        result.stage for result in results if not result.is_equal and None not in (result.before, result.after)
    }
    return next((stage for stage in STAGES if stage in differing), "")


def list_data_results(first: RunFiles, second: RunFiles) -> Iterator[Result]:
    """Yield the sizes of the table and the statistics of its columns."""
    before, after = first.facts("preprocess"), second.facts("preprocess")
    for name in _SIZES:
        if name in before or name in after:
            yield Result("preprocess", name, before.get(name), after.get(name))
    old_columns, new_columns = before.get("columns", {}), after.get("columns", {})
    for column in dict.fromkeys([*old_columns, *new_columns]):
        for name in _STATISTICS:
            old, new = old_columns.get(column, {}).get(name), new_columns.get(column, {}).get(name)
            if old is not None or new is not None:
                yield Result("preprocess", f"{column}: {name}", old, new)
    if "statistics_sha256" in before and "statistics_sha256" in after:
        yield Result("preprocess", "all statistics", before["statistics_sha256"][:12], after["statistics_sha256"][:12])


def list_scores(first: RunFiles, second: RunFiles) -> Iterator[Result]:
    """Yield what each training stage measured, and the score of each contender."""
    labels = dict.fromkeys(stage["stage"] for run in (first, second) for stage in run.stages)
    for label in labels:
        if find_stage(label) == "train":
            before, after = first.facts(label), second.facts(label)
            for name in dict.fromkeys([*before, *after]):
                if name not in _VOLATILE:
                    yield Result("train", f"{label}: {name}", before.get(name), after.get(name))
    old_scores, new_scores = read_scores(first), read_scores(second)
    for name in dict.fromkeys([*old_scores, *new_scores]):
        yield Result("evaluate", f"score of {name}", old_scores.get(name), new_scores.get(name))


def read_scores(run: RunFiles) -> Mapping[str, float | None]:
    """Return the score of each contender on the test rows, by its name without the number of a version."""
    contenders = run.facts("evaluate").get("contenders", [])
    return {each["name"].partition(" v")[0]: each["score"] for each in contenders}


def _list_decisions(first: RunFiles, second: RunFiles) -> Iterator[Result]:
    before, after = first.facts("evaluate"), second.facts("evaluate")
    for name in ("metric", "best", "promoted"):
        if name in before or name in after:
            yield Result("evaluate", name, before.get(name), after.get(name))
    old_gates, new_gates = (
        {each["gate"]: each["verdict"] for each in facts.get("gates", [])} for facts in (before, after)
    )
    for gate in dict.fromkeys([*old_gates, *new_gates]):
        yield Result("evaluate", f"gate {gate}", old_gates.get(gate), new_gates.get(gate))
