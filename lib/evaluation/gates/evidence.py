"""What the gates look at: the comparison of the challenger, and measurements of single gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.evaluation.comparison import Difference
from lib.evaluation.not_measured import NotMeasuredError
from lib.metrics import Metric


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
    measurements : mapping of str to callable
        Functions without arguments that measure what a gate looks at, by the name of the gate. Only the gates in the
        parameters call them. They raise `NotMeasuredError` if there is nothing to measure.
    """

    metric: Metric
    score: float
    against_no_skill: Difference | None
    champion: str = ""
    against_champion: Difference | None = None
    not_comparable: str = ""
    objection: str = ""
    measurements: Mapping[str, Callable[[], Any]] = field(default_factory=dict)

    def measure(self, gate: str) -> Any:
        """Return what a gate looks at.

        Raises
        ------
        NotMeasuredError
            If it cannot be measured.
        """
        if gate not in self.measurements:
            raise NotMeasuredError("this evaluation has no measurement of it")
        return self.measurements[gate]()
