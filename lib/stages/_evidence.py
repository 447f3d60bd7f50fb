"""The evidence for a promotion: the best candidate compared with the no-skill model and with the champion."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Protocol

from lib.errors import StageError
from lib.evaluation import comparison as statistics
from lib.evaluation.gates import Evidence
from lib.evaluation.selection import estimate_winner_score
from lib.stages._contenders import Comparison, Contender
from lib.stages._gate_measurements import make_measurements

if TYPE_CHECKING:
    import pandas as pd

    from lib.backends.base import Backend
    from lib.parameters import Parameters


class EvaluateHooks(Protocol):
    """The hooks of a pipeline that the evaluate stage calls."""

    def accept(self, best: Contender, champion: Contender | None, truth: pd.Series) -> str:
        """Return why the best candidate must not go to production, or an empty string."""


def collect_evidence(
    hooks: EvaluateHooks, best: Contender, comparison: Comparison, backend: Backend, parameters: Parameters
) -> Evidence:
    """Measure the best candidate for the gates.

    Parameters
    ----------
    hooks : EvaluateHooks
        The pipeline.
    best : Contender
        The candidate with the best score on the test rows.
    comparison : Comparison
    backend : Backend
    parameters : Parameters
        ``primary_metric``, ``target_column`` and ``seed``.

    Raises
    ------
    StageError
        If the hook ``accept`` does not return a string.
    """
    metric = parameters.metric
    truth = comparison.test[parameters.target_column].to_numpy()
    comparable = [candidate for candidate in comparison.candidates if math.isfinite(candidate.scores[metric.name])]
    score, against_no_skill, against_champion = math.nan, None, None
    if best in comparable:
        position = comparable.index(best)
        predictions = [candidate.predictions for candidate in comparable]
        score = estimate_winner_score(metric, truth, predictions, position, parameters.seed)
        guess = comparison.no_skill.predictions
        against_no_skill = statistics.compare(metric, truth, predictions, guess, parameters.seed)[position]
        if comparison.champion is not None:
            reference = comparison.champion.predictions
            against_champion = statistics.compare(metric, truth, predictions, reference, parameters.seed)[position]
    return Evidence(
        metric=metric,
        score=score,
        against_no_skill=against_no_skill,
        champion=comparison.champion.name if comparison.champion else "",
        against_champion=against_champion,
        not_comparable=comparison.not_comparable,
        objection=_ask_pipeline(hooks, best, comparison, parameters),
        measurements=make_measurements(best, comparison, backend, parameters),
    )


def _ask_pipeline(hooks: EvaluateHooks, best: Contender, comparison: Comparison, parameters: Parameters) -> str:
    """Return the objection of the hook ``accept``; empty if it has none."""
    arguments = [best, comparison.champion, comparison.test[parameters.target_column]]
    try:
        inspect.signature(hooks.accept).bind(*arguments)
    except TypeError:  # a hook of an earlier release, which does not take the truth
        arguments.pop()
    objection = hooks.accept(*arguments)
    if not isinstance(objection, str):  # a hook without a return statement must not promote anything
        raise StageError(
            f"The hook accept() returned {objection!r}; expected a string: empty to promote, otherwise the reason not "
            "to."
        )
    return objection
