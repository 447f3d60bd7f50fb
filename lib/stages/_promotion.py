"""Promotion: the outcome of an evaluation, and the registration of the version that goes to production."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib.backends.models import ModelRegistry, ModelVersion
from lib.evaluation.gates import BLOCKED, Evidence, GateResult
from lib.evidence.card import CARD
from lib.invocation import command
from lib.parameters.thresholds import DEFAULT_THRESHOLD
from lib.stages._contenders import Contender

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

HOLD_GATE = "monitor"


def find_holds(registry: ModelRegistry, parameters: Parameters) -> list[GateResult]:
    """Return a blocked gate if a verdict of monitoring holds promotions, see the parameter ``on_verdict``."""
    reason = registry.promotion_hold.reason()
    if not reason:
        return []
    acknowledge = command("monitor", "--acknowledge", '"..."', "-p", f"name={parameters.name}")
    blocked = f"monitoring holds promotions ({reason}) until somebody runs {acknowledge}"
    return [GateResult(HOLD_GATE, BLOCKED, reason, "no verdict of monitoring that nobody has acknowledged", blocked)]


def promote_if_passed(
    registry: ModelRegistry,
    backend: Backend,
    best: Contender,
    evidence: Evidence,
    version: ModelVersion | None,
    failures: Sequence[GateResult],
    parameters: Parameters,
) -> str:
    """Promote the best candidate unless a gate failed or it is in production already, and describe the outcome."""
    metric = parameters.metric
    candidate = f"{best.name} ({metric.name} {evidence.score:.4g})"
    reasons = "; ".join(result.reason for result in failures)
    if version and best.run_id == version.run_id:
        outcome = f"{candidate} is version {version.version}, which is already in production"
        if not failures:
            return f"{outcome}."
        retire = command("retire", parameters.name, version.version, "--why", '"..."')
        return f"{outcome}, but does not pass today's gates: {reasons}. It stays there until somebody runs {retire}."
    if failures:
        unchanged = f"version {version.version} stays in production" if version else "nothing is in production"
        outcome = f"{candidate} is not promoted: {reasons}. So {unchanged}."
        if version and evidence.not_comparable:
            retire = command("retire", parameters.name, version.version, "--why", '"..."')
            outcome += (
                f" If this change is intended, add a waiver of the gate champion, or run {retire} and evaluate again."
            )
        return outcome
    promoted = _promote(registry, backend, best, evidence.score, version, parameters)
    replaced = ""
    if version is not None:
        replaced = f" in place of version {version.version}"
        if evidence.against_champion is not None:
            replaced += f": {evidence.against_champion.describe(metric)}"
    return f"{candidate} is version {promoted.version} and goes to production{replaced}."


def _promote(
    registry: ModelRegistry,
    backend: Backend,
    best: Contender,
    score: float,
    current: ModelVersion | None,
    parameters: Parameters,
) -> ModelVersion:
    """Register the best candidate and move the production tag to it, if `current` is still in production."""
    metric = parameters.metric
    run = backend.tracking.candidate_run(best.run_id)
    source, sha256 = backend.tracking.model_source(run)
    tags = {
        "training_function": run.data.params["training_function"],
        "primary_metric": metric.name,
        metric.name: f"{score:.6g}",
        "test_data": parameters.test_data,
        "card": CARD,
        "threshold": run.data.params.get("threshold", str(DEFAULT_THRESHOLD)),
    }
    if "decision_threshold" in run.data.metrics:
        tags["decision_threshold"] = f"{run.data.metrics['decision_threshold']:.6g}"
    registered = registry.register(best.run_id, source, sha256, tags)
    registry.promote(registered.version, expected_current=current.version if current else None)
    return registered
