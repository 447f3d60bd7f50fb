"""Gates of the groups of test rows: the score of the worst one, and the gap between them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lib.evaluation.gates.evidence import Evidence
from lib.evaluation.gates.result import GateResult, block_unmeasured, format_score, judge
from lib.evaluation.group_gaps import Gap, measure_gap
from lib.evaluation.group_scores import GroupScores, describe_unjudged
from lib.parameters.gates import RATIO_SUFFIX


class WorstSliceGate:
    """The primary metric must reach a minimum in each group.

    Parameters
    ----------
    minimum : float
        In units of the primary metric.
    """

    name = "worst_slice"

    def __init__(self, minimum: float):
        self.minimum = minimum

    def check(self, evidence: Evidence) -> GateResult:
        """Block if a group's score does not reach the minimum. The measurement is a list of `GroupScores`."""
        groups: list[GroupScores] = evidence.measure(self.name)
        metric = evidence.metric
        limit = f"{self.minimum:g} in each group ({metric.direction})"
        scores = {group.name: score for group in groups if math.isfinite(score := group.judged_value(metric.name))}
        if not scores:
            return block_unmeasured(self, limit, f"no group has enough rows{describe_unjudged(groups, metric.name)}")
        worst = metric.rank(scores)[-1]
        measured = f"{format_score(metric, scores[worst])} for {worst}"
        passes = metric.reaches(scores[worst], self.minimum)
        note = describe_unjudged(groups, metric.name)
        return judge(self, passes, measured + note, limit, f"its {measured} does not reach worst_slice {limit}")


class GroupGapGate:
    """Rates must not differ too much between the groups of a column.

    Parameters
    ----------
    limits : mapping of str to float
        The largest difference between two groups by rate, or the smallest ratio for a name that ends in ``_ratio``.
    """

    name = "group_gap"

    def __init__(self, limits: Mapping[str, float]):
        self.limits = limits

    def check(self, evidence: Evidence) -> GateResult:
        """Block if a rate differs too much. The measurement is a list of `GroupScores`."""
        groups: list[GroupScores] = evidence.measure(self.name)
        limit = ", ".join(f"{name} at {_bound(name)} {value:g}" for name, value in self.limits.items())
        measured, failures = [], []
        for name, value in self.limits.items():
            gaps = [gap for column in _columns(groups) if (gap := measure_gap(groups, column, name)) is not None]
            note = describe_unjudged(groups, name)
            if not gaps:
                return block_unmeasured(self, limit, f"no two groups of a column have enough rows for {name}{note}")
            worst = _worst(gaps, name)
            measured.append(f"{worst}{note}")
            if not (worst.value >= value if name.endswith(RATIO_SUFFIX) else worst.value <= value):
                failures.append(f"{worst}, and group_gap allows {_bound(name)} {value:g}")
        return judge(self, not failures, "; ".join(measured), limit, "; ".join(failures))


def _columns(groups: list[GroupScores]) -> list[str]:
    """Return the columns of the groups, each once."""
    return list(dict.fromkeys(group.column for group in groups))


def _bound(name: str) -> str:
    """Return whether the limit of a rate is a maximum or a minimum, in words."""
    return "least" if name.endswith(RATIO_SUFFIX) else "most"


def _worst(gaps: list[Gap], name: str) -> Gap:
    """Return the largest difference, or the smallest ratio."""
    choose = min if name.endswith(RATIO_SUFFIX) else max
    return choose(gaps, key=lambda gap: gap.value)
