"""The evaluate stage: score all candidates and the champion on the same rows, and promote the best candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from lib import charts
from lib.backends.models import ConcurrentPromotionError, ModelRegistry, ModelVersion
from lib.evaluation.gates import BLOCKED, KEPT, Evidence, GateResult, check_all, make_gates
from lib.evaluation.wording import describe_in_words
from lib.evidence.card import CARD, make_card
from lib.invocation import command
from lib.metrics import Metric
from lib.parameters.thresholds import DEFAULT_THRESHOLD
from lib.stages._added_columns import describe_added_columns
from lib.stages._contenders import CHAMPION, Contender, compare
from lib.stages._decision_worth import Display, show_worth
from lib.stages._evidence import EvaluateHooks, collect_evidence
from lib.stages._explanations import explain
from lib.stages._facts import describe_evaluation
from lib.stages._features import check_candidate
from lib.stages._groups import show_groups
from lib.stages._lineage import describe_models
from lib.stages._results import Figures, StageResult, make_title
from lib.stages._score_notes import describe_correction, describe_fold_gap, describe_suspicion
from lib.stages._scores import UNDEFINED, describe_metrics

__all__ = ["CHAMPION", "PARAMETERS", "Contender", "EvaluateHooks", "Evaluation", "run"]

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The use case's parameters that this stage reads in addition to the common ones. A change to one reruns the stage.
PARAMETERS = (
    "target_column",
    "task",
    "positive_class",
    "primary_metric",
    "metrics",
    "costs",
    "cost_column",
    "groups",
    "min_score",
    "promote_if",
    "margin",
    "gates",
    "key_columns",
    "weight_column",
    "waivers",
    "card",
    "seed",
)
_MAX_ATTEMPTS = 5
_CLASSES_CAPTION = "The best candidate on the test rows: correct predictions are on the diagonal."
_SCORES_CAPTION = "All models on the same rows, the best first. The star marks the primary metric."
_CONTENDERS_CAPTION = "The primary metric of each contender, with the best candidate in orange."
_BEST_CAPTIONS = {
    "binary": _CLASSES_CAPTION,
    "multiclass": _CLASSES_CAPTION,
    "regression": "The best candidate on the test rows: exact predictions are on the dotted line.",
}


@dataclass(frozen=True, repr=False)
class Evaluation(StageResult):
    """The stage's result, displayed in its notebook.

    Attributes
    ----------
    title, verdict : str
    decision : str
        The promoted version, or the reason against a promotion.
    blocked_by : str
        Why the chain must not go on; empty if it may.
    promoted : bool
        Whether the best candidate was promoted.
    gates : Table
        What each gate measured, its limit and its verdict.
    table : Table
        All metrics of all contenders on the test rows, best contender first.
    side_by_side : Chart
        The primary metric of each contender.
    best : Chart
        Confusion matrix or residuals of the best candidate.
    worth : tuple of Display
        Tables and a chart that show what the decisions of the contenders are worth.
    task : str
        The kind of prediction, which selects the captions.
    explanations : tuple of Display
        The coverage of intervals or sets, which columns the best candidate relies on, and how.
    facts : mapping
        The comparison, the gates, and the decision with the version that it led to.
    """

    not_in_report: ClassVar[tuple[str, ...]] = ("table",)  # the report has the main table

    title: str
    verdict: str
    decision: str
    blocked_by: str
    promoted: bool
    gates: charts.Table
    table: charts.Table
    side_by_side: charts.Chart
    best: charts.Chart
    worth: tuple[Display, ...]
    task: str
    explanations: tuple[Display, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def main_table(self) -> charts.Table:
        """Return the scores with a row per metric: a column per metric would not fit on a page."""
        table = charts.Table(self.table.T.rename_axis(index="metric", columns=None))
        table.attrs |= self.table.attrs
        charts.label(table, "Scores on the test rows", _SCORES_CAPTION)
        return table

    @property
    def figures(self) -> Figures:
        """The comparison of all contenders, and the best candidate's predictions."""
        return Figures(
            (self.side_by_side, _CONTENDERS_CAPTION),
            (self.best, _BEST_CAPTIONS[self.task]),
            *((display.content, display.caption) for display in (*self.worth, *self.explanations)),
        )


def run(hooks: EvaluateHooks, backend: Backend, parameters: Parameters) -> Evaluation:
    """Score all contenders, and promote the best candidate if the ``accept`` hook allows it.

    Parameters
    ----------
    hooks : EvaluateHooks
        The pipeline.
    backend : Backend
    parameters : Parameters

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        If a candidate does not exist or was trained for other test rows, if model files were changed, or if the
        champion trained on nearly all test rows.
    ConcurrentPromotionError
        If other runs promoted a version during each of several attempts.
    """
    for _ in range(_MAX_ATTEMPTS - 1):
        try:
            return _evaluate_once(hooks, backend, parameters)
        except ConcurrentPromotionError:
            continue  # compare with the new champion
    return _evaluate_once(hooks, backend, parameters)


def _evaluate_once(hooks: EvaluateHooks, backend: Backend, parameters: Parameters) -> Evaluation:
    """Compare the candidates with the current production version, and promote the best one if all gates pass."""
    import mlflow

    metric = parameters.metric
    registry = backend.models(parameters.name)
    repair_note = registry.repair()
    version = registry.production()
    comparison = compare(backend, version, parameters)

    best_name = _rank(comparison.candidates, metric)[0]
    best = next(candidate for candidate in comparison.candidates if candidate.name == best_name)
    evidence = collect_evidence(hooks, best, comparison, backend, parameters)
    results = check_all(make_gates(parameters), evidence, parameters.waivers)
    table = _make_table(comparison.contenders, metric)
    side_by_side = charts.candidate_scores(
        _primary_scores(comparison.contenders, metric), metric, best.name, parameters.min_score
    )
    y_test = comparison.test[parameters.target_column]
    draw = charts.residuals if parameters.task == "regression" else charts.confusion_matrix
    best_chart = draw(y_test, best.predictions, comparison.no_skill.predictions)
    by_name = {contender.name: contender for contender in comparison.contenders}
    ranked = [by_name[name] for name in _rank(comparison.contenders, metric)]
    worth = show_worth(best, ranked, comparison.test, parameters) + show_groups(best, comparison, parameters)
    explanations = explain(best, comparison.test, backend, parameters)

    check_candidate(backend, best.run_id, comparison.test.drop(columns=parameters.target_column))

    # Promote only after everything else that can fail, so that an error leaves the registry unchanged.
    is_champion = version is not None and best.run_id == version.run_id  # promoted by an interrupted evaluation
    failures = [] if is_champion else [result for result in results if result.verdict in (BLOCKED, KEPT)]
    outcome = _decide(registry, backend, best, evidence, version, failures, parameters)
    notes = describe_metrics(y_test, best.predictions, parameters.task)
    words = describe_in_words(y_test.to_numpy(), best.predictions, comparison.no_skill.predictions, str(y_test.name))
    warnings = [describe_suspicion(best, parameters), describe_fold_gap(best, backend, parameters)]
    correction = describe_correction(best, evidence, comparison)
    waivers = [f"{result.gate} is {result.permission}." for result in results if result.waiver]
    inputs = [name for name in comparison.test.columns if name != parameters.target_column]
    added = describe_added_columns(inputs, backend.read_json(parameters.baseline))
    sentences = [*warnings, outcome, words, correction, *waivers, repair_note, *comparison.notes, *notes, added]
    decision = " ".join(filter(None, sentences))
    charts.label(side_by_side, "Contenders", _CONTENDERS_CAPTION)
    charts.label(best_chart, "Best candidate", _BEST_CAPTIONS[parameters.task])
    production = registry.production()
    topics = {
        "outcome": outcome,
        "warnings": [text for text in warnings if text],
        "in_words": words,
        "correction": correction,
        "waivers": waivers,
        "notes": [text for text in (repair_note, *comparison.notes, *notes) if text],
    }
    facts = {
        **describe_evaluation(comparison, best, evidence, results, topics),
        "promoted": not failures and not is_champion,
        "production_before": version.version if version else "",
        "production": production.version if production else "",
    }
    evaluation = Evaluation(
        title=make_title("Evaluate", parameters),
        verdict=decision,
        decision=decision,
        blocked_by=decision if any(result.verdict == BLOCKED for result in failures) else "",
        promoted=not failures and not is_champion,
        gates=_make_gate_table(results),
        table=table,
        side_by_side=side_by_side,
        best=best_chart,
        worth=worth,
        task=parameters.task,
        explanations=explanations,
        facts=facts,
    )
    _log(evaluation, results, comparison.contenders, backend, metric)
    mlflow.set_tags(describe_models(version, registry.production()))
    if evaluation.promoted:
        _log_card(evaluation, best, backend, parameters)
    return evaluation


def _make_gate_table(results: Sequence[GateResult]) -> charts.Table:
    """Return a row for each gate: its verdict, what it measured and its limit."""
    rows = [(result.gate, result.verdict, result.measured, result.limit_in_words) for result in results]
    table = charts.Table(rows, columns=["gate", "verdict", "measured", "limit"]).set_index("gate")
    charts.label(table, "Gates", "What each gate measured, its limit, and its verdict.", section="gates")
    return table


def _decide(
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
    if version and best.run_id == version.run_id:
        return f"{candidate} is version {version.version}, which is already in production."
    if failures:
        unchanged = f"version {version.version} stays in production" if version else "nothing is in production"
        reasons = "; ".join(result.reason for result in failures)
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


def _log(
    evaluation: Evaluation,
    results: Sequence[GateResult],
    contenders: Sequence[Contender],
    backend: Backend,
    metric: Metric,
) -> None:
    """Log scores, decision, gates, tables and charts to the active MLflow run."""
    import mlflow

    scores = _primary_scores(contenders, metric)
    mlflow.log_metrics(
        {f"{name.replace(' ', '_')}.{metric.name}": score for name, score in scores.items() if not math.isnan(score)}
    )
    tags = {"decision": evaluation.decision, "production_version": evaluation.facts["production"]}
    tags |= {f"gate.{result.gate}": result.verdict for result in results}
    tags |= {f"waiver.{result.gate}": result.permission for result in results if result.waiver}
    mlflow.set_tags(tags)
    mlflow.log_dict({"gates": [result.to_dict() for result in results]}, "gates.json")
    backend.tracking.log_table(evaluation.gates, "gates")
    backend.tracking.log_table(evaluation.table, "contenders")
    backend.tracking.log_chart(evaluation.side_by_side, "contenders")
    backend.tracking.log_chart(evaluation.best, "best")
    for display in (*evaluation.worth, *evaluation.explanations):
        display.log(backend)


def _log_card(evaluation: Evaluation, best: Contender, backend: Backend, parameters: Parameters) -> None:
    """Log the card of the version that was registered as an artifact of the run that trained it, beside the model."""
    baseline = backend.read_json(parameters.baseline)
    card = make_card(evaluation.facts, evaluation.describe_tables(), baseline, parameters)
    backend.tracking.client.log_text(best.run_id, card, CARD)


def _primary_scores(contenders: Sequence[Contender], metric: Metric) -> dict[str, float]:
    """Return each contender's score by the primary metric."""
    return {contender.name: contender.scores[metric.name] for contender in contenders}


def _rank(contenders: Sequence[Contender], metric: Metric) -> list[str]:
    """Return the contenders' names, best first by the primary metric."""
    return metric.rank(_primary_scores(contenders, metric))


def _make_table(contenders: Sequence[Contender], metric: Metric) -> charts.Table:
    """Return the scores of all contenders, best first, with the primary metric in the first column."""
    by_name = {contender.name: contender for contender in contenders}
    columns = [metric.name, *(name for name in contenders[0].scores if name != metric.name)]
    rows = {name: [by_name[name].scores[column] for column in columns] for name in _rank(contenders, metric)}
    table = charts.Table.from_dict(rows, orient="index", columns=columns).rename_axis("contender")
    table.attrs |= {charts.MARKED: [metric.name], charts.NAN_TEXT: UNDEFINED}
    return table
