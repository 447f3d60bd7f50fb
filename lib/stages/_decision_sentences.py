"""The sentences that explain the decision of an evaluation, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lib.evaluation.gates import Evidence, GateResult
from lib.evaluation.wording import describe_in_words
from lib.stages._added_columns import describe_added_columns
from lib.stages._contenders import Comparison, Contender
from lib.stages._score_notes import describe_correction, describe_fold_gap, describe_suspicion
from lib.stages._scores import describe_metrics

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters


@dataclass(frozen=True)
class DecisionSentences:
    """Sentences about a decision, by topic.

    Attributes
    ----------
    warnings : tuple of str
        Reasons to doubt the score.
    outcome : str
        Which version is in production now, and why; empty before the decision.
    in_words : str
        What the score means.
    correction : str
        How the score accounts for the choice of the best of several candidates.
    waivers : tuple of str
        The gates that a waiver opened.
    notes : tuple of str
        Remarks about the registry, the champion, the metrics and the columns.
    """

    warnings: tuple[str, ...]
    outcome: str
    in_words: str
    correction: str
    waivers: tuple[str, ...]
    notes: tuple[str, ...]

    def join(self) -> str:
        """Return all sentences as one text."""
        sentences = (*self.warnings, self.outcome, self.in_words, self.correction, *self.waivers, *self.notes)
        return " ".join(filter(None, sentences))

    def to_dict(self) -> dict[str, Any]:
        """Return the sentences by topic; several sentences as a list."""
        return {topic: list(text) if isinstance(text, tuple) else text for topic, text in asdict(self).items()}


def describe_decision(
    best: Contender,
    evidence: Evidence,
    results: Sequence[GateResult],
    comparison: Comparison,
    repair_note: str,
    backend: Backend,
    parameters: Parameters,
) -> DecisionSentences:
    """Return all sentences about a decision except its outcome.

    Parameters
    ----------
    best : Contender
        The best candidate.
    evidence : Evidence
    results : sequence of GateResult
    comparison : Comparison
    repair_note : str
        What was repaired in the registry; empty for nothing.
    backend : Backend
    parameters : Parameters
    """
    y_test = comparison.test[parameters.target_column]
    warnings = (describe_suspicion(best, parameters), describe_fold_gap(best, backend, parameters))
    inputs = [name for name in comparison.test.columns if name != parameters.target_column]
    notes = (
        repair_note,
        *comparison.notes,
        *describe_metrics(y_test, best.predictions, parameters.task),
        describe_added_columns(inputs, backend.read_json(parameters.baseline)),
    )
    return DecisionSentences(
        warnings=tuple(filter(None, warnings)),
        outcome="",
        in_words=describe_in_words(
            y_test.to_numpy(), best.predictions, comparison.no_skill.predictions, str(y_test.name)
        ),
        correction=describe_correction(best, evidence, comparison),
        waivers=tuple(f"{result.gate} is {result.permission}." for result in results if result.waiver),
        notes=tuple(filter(None, notes)),
    )
