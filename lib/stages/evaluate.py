"""The evaluate stage: score all candidates and the champion on the same rows, and promote the best candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from lib import charts
from lib.backends.models import ConcurrentPromotionError
from lib.evaluation.gates import BLOCKED, KEPT, GateResult, check_all, make_gates
from lib.evidence.card import CARD, make_card
from lib.metrics import Metric
from lib.stages._contenders import CHAMPION, Comparison, Contender, compare
from lib.stages._decision_sentences import describe_decision
from lib.stages._decision_worth import Display, show_worth
from lib.stages._evaluation_tables import get_primary_scores, make_contender_table, make_gate_table, rank_contenders
from lib.stages._evidence import EvaluateHooks, collect_evidence
from lib.stages._explanations import explain
from lib.stages._facts import describe_evaluation
from lib.stages._features import check_candidate
from lib.stages._groups import show_groups
from lib.stages._lineage import describe_models
from lib.stages._promotion import find_holds, promote_if_passed
from lib.stages._results import Figures, StageResult, make_title

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
    best = rank_contenders(comparison.candidates, metric)[0]
    evidence = collect_evidence(hooks, best, comparison, backend, parameters)
    results = [*check_all(make_gates(parameters), evidence, parameters.waivers), *find_holds(registry, parameters)]
    exhibits = _draw(best, comparison, backend, parameters)
    sentences = describe_decision(best, evidence, results, comparison, repair_note, backend, parameters)
    check_candidate(backend, best.run_id, comparison.test.drop(columns=parameters.target_column))

    # Promote only after everything else that can fail, so that an error leaves the registry unchanged.
    # It may have been promoted by an evaluation that was interrupted, and is not compared with itself.
    is_champion = version is not None and best.run_id == version.run_id
    verdicts = (BLOCKED,) if is_champion else (BLOCKED, KEPT)
    failures = [result for result in results if result.verdict in verdicts]
    outcome = promote_if_passed(registry, backend, best, evidence, version, failures, parameters)
    sentences = replace(sentences, outcome=outcome)
    decision = sentences.join()
    is_promoted = not failures and not is_champion
    production = registry.production()
    facts = {
        **describe_evaluation(comparison, best, evidence, results, sentences.to_dict()),
        "promoted": is_promoted,
        "production_before": version.version if version else "",
        "production": production.version if production else "",
    }
    evaluation = Evaluation(
        title=make_title("Evaluate", parameters),
        verdict=decision,
        decision=decision,
        blocked_by=decision if any(result.verdict == BLOCKED for result in failures) else "",
        promoted=is_promoted,
        gates=make_gate_table(results),
        table=make_contender_table(comparison.contenders, metric),
        **exhibits,
        task=parameters.task,
        facts=facts,
    )
    _log(evaluation, results, comparison.contenders, backend, metric)
    mlflow.set_tags(describe_models(version, production))
    if is_promoted:
        _log_card(evaluation, best, backend, parameters)
    return evaluation


def _draw(best: Contender, comparison: Comparison, backend: Backend, parameters: Parameters) -> dict[str, Any]:
    """Return the charts and tables of an `Evaluation` that show the contenders and the best candidate."""
    metric, y_test = parameters.metric, comparison.test[parameters.target_column]
    scores = get_primary_scores(comparison.contenders, metric)
    side_by_side = charts.candidate_scores(scores, metric, best.name, parameters.min_score)
    charts.label(side_by_side, "Contenders", _CONTENDERS_CAPTION)
    draw = charts.residuals if parameters.task == "regression" else charts.confusion_matrix
    best_chart = draw(y_test, best.predictions, comparison.no_skill.predictions)
    charts.label(best_chart, "Best candidate", _BEST_CAPTIONS[parameters.task])
    ranked = rank_contenders(comparison.contenders, metric)
    worth = show_worth(best, ranked, comparison.test, parameters) + show_groups(best, comparison, parameters)
    explanations = explain(best, comparison.test, backend, parameters)
    return {"side_by_side": side_by_side, "best": best_chart, "worth": worth, "explanations": explanations}


def _log(
    evaluation: Evaluation,
    results: Sequence[GateResult],
    contenders: Sequence[Contender],
    backend: Backend,
    metric: Metric,
) -> None:
    """Log scores, decision, gates, tables and charts to the active MLflow run."""
    import mlflow

    scores = get_primary_scores(contenders, metric)
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
