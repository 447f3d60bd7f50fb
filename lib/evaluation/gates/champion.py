"""Gates that compare the challenger with the champion, or ask the pipeline."""

from __future__ import annotations

from lib.evaluation.comparison import BETTER, NOT_WORSE, TOO_FEW_ROWS
from lib.evaluation.gates.evidence import Evidence
from lib.evaluation.gates.result import BLOCKED, KEPT, PASSED, GateResult

NOT_COMPARABLE = "champion not comparable"


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
