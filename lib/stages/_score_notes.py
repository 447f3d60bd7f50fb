"""Sentences that warn about a score: it is nearly perfect, far from the folds, or was corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.evaluation.gates import Evidence
from lib.stages._contenders import Comparison, Contender

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# Metric and lowest score of a nearly perfect model. Unlike accuracy, ROC AUC does not depend on the class shares.
SUSPICIOUS_SCORES = {
    "binary": ("roc_auc", 0.999),
    "multiclass": ("roc_auc_ovr_macro", 0.9999),
    "regression": ("r2", 0.99),
}
_MAX_SPREADS = 3  # standard deviations over the folds


def describe_correction(best: Contender, evidence: Evidence, comparison: Comparison) -> str:
    """Return a sentence about a score that was corrected for the choice of the best; empty if it was not."""
    observed, metric = best.scores[evidence.metric.name], evidence.metric
    if f"{observed:.4g}" == f"{evidence.score:.4g}":
        return ""
    return (
        f"Its {metric.name} on the test rows is {observed:.4g}; {evidence.score:.4g} is corrected for the choice of "
        f"the best of {len(comparison.candidates)} candidates on these rows."
    )


def describe_suspicion(best: Contender, parameters: Parameters) -> str:
    """Return a sentence about a score that is nearly perfect, which few honest tables allow; empty for others."""
    name, threshold = SUSPICIOUS_SCORES[parameters.task]
    score = best.scores[name]
    if not score >= threshold:  # NaN is not suspicious
        return ""
    return (
        f"A {name} of {score:.4g} is too good to be true for most tables: check that each column is known at the time "
        "of a request, and add those that are not to drop_columns."
    )


def describe_fold_gap(best: Contender, backend: Backend, parameters: Parameters) -> str:
    """Return a sentence about a test score that is far from those of the folds of the training rows; else ``""``."""
    name = parameters.metric.name
    logged = backend.tracking.candidate_run(best.run_id).data.metrics
    mean, spread = logged.get(f"folds_{name}"), logged.get(f"spread_{name}")
    score = best.scores[name]
    if mean is None or spread is None or not abs(score - mean) > _MAX_SPREADS * spread:
        return ""
    return (
        f"The {name} on the test rows, {score:.4g}, is far from the folds of the training rows ({mean:.4g} ± "
        f"{spread:.2g}): check whether the split separates rows that differ, e.g. in time."
    )
