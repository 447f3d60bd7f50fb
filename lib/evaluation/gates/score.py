"""Gates of the primary metric: defined, better than guessing, above a minimum, and similar on the training rows."""

from __future__ import annotations

import math

from lib.evaluation.comparison import BETTER
from lib.evaluation.gates.evidence import Evidence
from lib.evaluation.gates.result import PASSED, GateResult, block_unmeasured, format_score, judge


class FiniteScoreGate:
    """The primary metric must be defined on the test rows."""

    name = "finite_score"

    def check(self, evidence: Evidence) -> GateResult:
        """Block a score that is NaN or infinite."""
        measured = format_score(evidence.metric, evidence.score)
        reason = f"its {evidence.metric.name} is undefined on these test rows"
        return judge(self, math.isfinite(evidence.score), measured, "a finite number", reason)


class NoSkillGate:
    """The challenger must beat the no-skill model beyond chance."""

    name = "no_skill"

    def check(self, evidence: Evidence) -> GateResult:
        """Block a challenger whose interval of the difference from the no-skill model contains 0."""
        limit = "better than the no-skill model beyond chance"
        difference = evidence.against_no_skill
        if difference is None:
            return block_unmeasured(self, limit, "the score is undefined, so it cannot be compared")
        measured = difference.describe(evidence.metric)
        reason = f"it is no better than guessing beyond chance: {measured}"
        return judge(self, difference.judge() == BETTER, measured, limit, reason)


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
        measured = format_score(evidence.metric, evidence.score)
        if self.minimum is None:
            return GateResult(self.name, PASSED, measured, "none")
        limit = f"{self.minimum:g} ({evidence.metric.direction})"
        passes = evidence.metric.reaches(evidence.score, self.minimum)
        return judge(self, passes, measured, limit, f"it does not reach min_score {limit}")


class TrainTestGapGate:
    """The challenger must not be much better on the training rows than on the test rows.

    Parameters
    ----------
    maximum : float
        The largest allowed loss in the primary metric from the training rows to the test rows.
    """

    name = "train_test_gap"

    def __init__(self, maximum: float):
        self.maximum = maximum

    def check(self, evidence: Evidence) -> GateResult:
        """Block a challenger that loses more than the maximum. The measurement is the score on the training rows."""
        metric, train_score = evidence.metric, evidence.measure(self.name)
        gap = train_score - evidence.score if metric.greater_is_better else evidence.score - train_score
        limit = f"at most {self.maximum:g} worse on the test rows"
        if not math.isfinite(gap):
            return block_unmeasured(self, limit, f"its {metric.name} is undefined on the training or test rows")
        measured = f"{metric.name} {train_score:.4g} on the training rows, {evidence.score:.4g} on the test rows"
        reason = f"its {metric.name} is {gap:.4g} worse on the test rows than on the training rows"
        return judge(
            self, gap <= self.maximum, measured, limit, f"{reason}, and train_test_gap allows {self.maximum:g}"
        )
