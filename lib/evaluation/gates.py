"""Gates: checks that the challenger must pass before it is promoted. Each tells what it measured and its limit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lib.evaluation.comparison import BETTER, NOT_WORSE, TOO_FEW_ROWS, Difference
from lib.metrics import Metric
from lib.parameters.waivers import find_valid_waiver

PASSED, BLOCKED, KEPT, WAIVED = "passed", "blocked", "champion stays", "waived"
NOT_COMPARABLE = "champion not comparable"


@dataclass(frozen=True)
class Evidence:
    """What the gates look at.

    Attributes
    ----------
    metric : Metric
        The primary metric.
    score : float
        The challenger's score, corrected for the choice of the best of several candidates.
    against_no_skill : Difference or None
        The comparison with the no-skill model; None if the challenger's score is undefined.
    champion : str
        Name of the champion; empty if nothing is in production.
    against_champion : Difference or None
        The comparison with the champion; None if there is none or if it cannot be compared.
    not_comparable : str
        Why the champion cannot be compared; empty if it can.
    objection : str
        What the pipeline's hook ``accept`` returned.
    """

    metric: Metric
    score: float
    against_no_skill: Difference | None
    champion: str = ""
    against_champion: Difference | None = None
    not_comparable: str = ""
    objection: str = ""


@dataclass(frozen=True)
class GateResult:
    """The verdict of one gate.

    Attributes
    ----------
    gate : str
    verdict : str
        Passed, blocked, waived, or "champion stays" for a challenger that is no better than a comparable champion.
    measured, limit : str
        What the gate measured, and what it requires.
    reason : str
        Why the challenger is not promoted, as the end of a sentence; empty if the gate passed.
    """

    gate: str
    verdict: str
    measured: str
    limit: str
    reason: str = ""


class Gate(Protocol):
    """A check of the challenger."""

    name: str

    def check(self, evidence: Evidence) -> GateResult:
        """Measure the challenger, and compare the result with the limit."""


class FiniteScoreGate:
    """The primary metric must be defined on the test rows."""

    name = "finite_score"

    def check(self, evidence: Evidence) -> GateResult:
        """Block a score that is NaN or infinite."""
        measured, limit = _format_score(evidence.metric, evidence.score), "a finite number"
        if math.isfinite(evidence.score):
            return GateResult(self.name, PASSED, measured, limit)
        reason = f"its {evidence.metric.name} is undefined on these test rows"
        return GateResult(self.name, BLOCKED, measured, limit, reason)


class NoSkillGate:
    """The challenger must beat the no-skill model beyond chance."""

    name = "no_skill"

    def check(self, evidence: Evidence) -> GateResult:
        """Block a challenger whose interval of the difference from the no-skill model contains 0."""
        limit = "better than the no-skill model beyond chance"
        difference = evidence.against_no_skill
        if difference is None:
            return GateResult(self.name, BLOCKED, "not measured", limit, "it cannot be compared with a no-skill model")
        measured = difference.describe(evidence.metric)
        if difference.judge() == BETTER:
            return GateResult(self.name, PASSED, measured, limit)
        return GateResult(
            self.name, BLOCKED, measured, limit, f"it is no better than guessing beyond chance: {measured}"
        )


class MinScoreGate:
    """The challenger must reach ``min_score``.

    Parameters
    ----------
    minimum : float or None
        None: no minimum.
    """

    name = "min_score"

    def __init__(self, minimum: float | None):
        self.minimum = minimum

    def check(self, evidence: Evidence) -> GateResult:
        """Block a score that is worse than the minimum."""
        measured = _format_score(evidence.metric, evidence.score)
        if self.minimum is None:
            return GateResult(self.name, PASSED, measured, "none")
        limit = f"{self.minimum:g} ({evidence.metric.direction})"
        if evidence.metric.reaches(evidence.score, self.minimum):
            return GateResult(self.name, PASSED, measured, limit)
        return GateResult(self.name, BLOCKED, measured, limit, f"it does not reach min_score {limit}")


class ChampionGate:
    """The challenger must be better than the champion, or not worse, beyond chance.

    Parameters
    ----------
    promote_if : {"better", "not_worse"}
    margin : float
        The largest difference in the primary metric that does not matter.
    """

    name = "champion"

    def __init__(self, promote_if: str, margin: float):
        self.promote_if, self.margin = promote_if, margin

    def check(self, evidence: Evidence) -> GateResult:
        """Let the champion stay if the challenger is not clearly good enough; block if they cannot be compared."""
        limit = f"{self.promote_if.replace('_', ' ')}, margin {self.margin:g}"
        if evidence.not_comparable:
            reason = f"{NOT_COMPARABLE}: {evidence.not_comparable}"
            return GateResult(self.name, BLOCKED, NOT_COMPARABLE, limit, reason)
        difference = evidence.against_champion
        if difference is None:
            return GateResult(self.name, PASSED, "nothing is in production", limit)
        verdict = difference.judge(self.margin)
        measured = f"{verdict}: {difference.describe(evidence.metric)}"
        if verdict == BETTER or (verdict == NOT_WORSE and self.promote_if == "not_worse"):
            return GateResult(self.name, PASSED, measured, limit)
        reason = f"it is no better than {evidence.champion} beyond chance ({measured})"
        needed = difference.needed_rows
        if verdict == TOO_FEW_ROWS and needed is not None and difference.estimate > 0:
            reason += f"; about {needed:,} test rows would show a difference of this size"
        return GateResult(self.name, KEPT, measured, limit, reason)


class AcceptGate:
    """The rule of the use case: the pipeline's hook ``accept``."""

    name = "accept"

    def check(self, evidence: Evidence) -> GateResult:
        """Block a challenger that the hook objects to."""
        verdict = BLOCKED if evidence.objection else PASSED
        return GateResult(
            self.name, verdict, evidence.objection or "no objection", "the hook accept()", evidence.objection
        )


def check_all(gates: Sequence[Gate], evidence: Evidence, waivers: Sequence[Mapping[str, Any]]) -> list[GateResult]:
    """Check every gate, also after one has blocked, and let a gate pass for which a waiver holds today."""
    results = []
    for gate in gates:
        result = gate.check(evidence)
        waiver = find_valid_waiver(list(waivers), gate.name) if result.reason else None
        if waiver is not None:
            permission = f"waived until {waiver['until']} by {waiver['who']}: {waiver['why']}"
            result = replace(result, verdict=WAIVED, limit=f"{result.limit}; {permission}")
        results.append(result)
    return results


def _format_score(metric: Metric, score: float) -> str:
    """Return the score with the name of its metric."""
    return f"{metric.name} {score:.4g}" if math.isfinite(score) else f"{metric.name} undefined"
