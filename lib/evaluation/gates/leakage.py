"""Gates of leakage: test rows that also train, a score that is nearly perfect, and a column that alone decides."""

from __future__ import annotations

from dataclasses import dataclass

from lib.evaluation.gates.evidence import Evidence
from lib.evaluation.gates.result import GateResult, judge


@dataclass(frozen=True)
class RepeatedRows:
    """Test rows that repeat a training row.

    Attributes
    ----------
    count, rows : int
        Number of such rows, and of all test rows.
    """

    count: int
    rows: int


@dataclass(frozen=True)
class LeakScore:
    """A score that hints at a leak.

    Attributes
    ----------
    subject : str
        The column that was scored, or the model.
    score_name : str
        ROC AUC or R2.
    score, lower : float
        The score, and its lower confidence bound.
    """

    subject: str
    score_name: str
    score: float
    lower: float


class RowOnBothSidesGate:
    """Test rows must not repeat training rows.

    Parameters
    ----------
    maximum : float
        The largest allowed share of the test rows that repeat a training row, 0 to 1.
    """

    name = "row_on_both_sides"

    def __init__(self, maximum: float):
        self.maximum = maximum

    def check(self, evidence: Evidence) -> GateResult:
        """Block if too many test rows repeat a training row. The measurement is a `RepeatedRows`."""
        repeated: RepeatedRows = evidence.measure(self.name)
        share = repeated.count / max(repeated.rows, 1)
        measured = f"{repeated.count:,} of {repeated.rows:,} test rows ({share:.1%}) repeat a training row"
        limit = f"at most {self.maximum:.1%} of the test rows"
        return judge(self, share <= self.maximum, measured, limit, f"{measured}, so its score is not that of new rows")


class NearPerfectGate:
    """The challenger must not be nearly perfect.

    Parameters
    ----------
    maximum : float
        The score from which a model is too good to be true: of ROC AUC, averaged over the classes, or of R2.
    """

    name = "near_perfect"

    def __init__(self, maximum: float):
        self.maximum = maximum

    def check(self, evidence: Evidence) -> GateResult:
        """Block a score that reaches the limit. The measurement is a `LeakScore`."""
        score: LeakScore = evidence.measure(self.name)
        measured = f"{score.score_name} {score.score:.4g}"
        reason = f"a {measured} is too good to be true for most tables: check that each column is known at a request"
        return judge(self, score.score < self.maximum, measured, f"below {self.maximum:g}", reason)


class ColumnAloneGate:
    """No column may predict the target alone.

    Parameters
    ----------
    maximum : float
        The score of a single column from which it gives away the target: ROC AUC, averaged over the classes, or R2.
    """

    name = "column_alone"

    def __init__(self, maximum: float):
        self.maximum = maximum

    def check(self, evidence: Evidence) -> GateResult:
        """Block if a column's score reaches the limit beyond chance. The measurement is a `LeakScore`."""
        best: LeakScore = evidence.measure(self.name)
        measured = f"{best.subject}: {best.score_name} {best.score:.4g}, at least {best.lower:.4g} beyond chance"
        reason = (
            f"the column {best.subject} predicts the target alone ({best.score_name} {best.score:.4g}): add it to "
            "drop_columns if it is unknown at a request"
        )
        return judge(self, best.lower < self.maximum, measured, f"below {self.maximum:g}", reason)
