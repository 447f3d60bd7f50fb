"""The verdict of a gate, and the interface of all gates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from lib.evaluation.gates.evidence import Evidence
from lib.metrics import Metric

PASSED, BLOCKED, KEPT, WAIVED = "passed", "blocked", "champion stays", "waived"
NOT_MEASURED = "not measured"


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
    waiver : mapping or None
        The waiver that lets the gate pass, see `lib.parameters.waivers`.
    """

    gate: str
    verdict: str
    measured: str
    limit: str
    reason: str = ""
    waiver: Mapping[str, Any] | None = None

    @property
    def permission(self) -> str:
        """Who waived the gate, until when and why; empty without a waiver."""
        if self.waiver is None:
            return ""
        return f"waived until {self.waiver['until']} by {self.waiver['who']}: {self.waiver['why']}"

    @property
    def limit_in_words(self) -> str:
        """The limit, and the waiver if there is one."""
        return "; ".join(filter(None, [self.limit, self.permission]))

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON types."""
        return asdict(self)


class Gate(Protocol):
    """A check of the challenger."""

    name: str

    def check(self, evidence: Evidence) -> GateResult:
        """Measure the challenger, and compare the result with the limit."""


def judge(gate: Gate, passes: bool, measured: str, limit: str, reason: str) -> GateResult:
    """Return the verdict of a gate: passed, or blocked for a reason."""
    if passes:
        return GateResult(gate.name, PASSED, measured, limit)
    return GateResult(gate.name, BLOCKED, measured, limit, reason)


def block_unmeasured(gate: Gate, limit: str, cause: str) -> GateResult:
    """Block a challenger that a gate could not measure, with the cause as the end of a sentence."""
    return GateResult(gate.name, BLOCKED, NOT_MEASURED, limit, f"the gate {gate.name} could not be measured: {cause}")


def format_score(metric: Metric, score: float) -> str:
    """Return the score with the name of its metric."""
    return f"{metric.name} {score:.4g}" if math.isfinite(score) else f"{metric.name} undefined"
