"""What a run did not measure, said plainly, so that nobody takes silence for a good result."""

from __future__ import annotations

from collections.abc import Iterator

from lib.evidence.report.run_files import RunFiles
from lib.evidence.report.verdict import DEPLOY, EVALUATE, PREPROCESS


def list_unknowns(run: RunFiles) -> Iterator[str]:
    """Yield a sentence for each thing that the run did not measure."""
    yield from _list_data_unknowns(run)
    yield from _list_model_unknowns(run)
    yield from _list_use_unknowns(run)


def _list_data_unknowns(run: RunFiles) -> Iterator[str]:
    parameters = run.parameters
    if not run.facts(PREPROCESS):
        yield "This run did not prepare the data: it used rows that an earlier run had prepared, or stopped before."
    if not parameters.get("contract"):
        yield "Whether the table is as it should be: no data contract was given (`contract`)."
    elif parameters.get("on_violation") == "warn" and run.facts(PREPROCESS).get("broken_rules"):
        yield "What the violations of the data contract do to the model: `on_violation: warn` let them pass."
    if parameters.get("split") != "time":
        yield (
            "How the model does on later rows: the test rows are from the same time as the training rows "
            "(`split: time` would test on the latest)."
        )


def _list_model_unknowns(run: RunFiles) -> Iterator[str]:
    parameters, facts = run.parameters, run.facts(EVALUATE)
    if not facts:
        yield "Whether any candidate is good enough: the run did not come to a decision."
        return
    if not facts.get("production_before"):
        yield "Whether the model is better than what is used today: nothing was in production to compare it with."
    elif "against_champion" not in facts:
        yield f"Whether the model is better than the champion: {facts.get('not_comparable') or 'not compared'}."
    if parameters.get("min_score") is None:
        yield "Which score is good enough for its purpose: no minimum was set (`min_score`)."
    is_classification = parameters.get("task") != "regression"
    if is_classification and not parameters.get("costs"):
        yield "What errors cost: no costs were given (`costs`), so the threshold does not weigh them."
    if is_classification and parameters.get("calibration") in (None, "none"):
        yield "Whether the probabilities are right: they were not calibrated (`calibration`)."
    if not any(each.get("section") == "groups" for each in _list_exhibits(run)):
        yield "Whether the model is worse for some groups of people or cases: scores were not compared between groups."
    yield "Why the model answers as it does: importance shows what it relies on, not what causes the target."


def _list_use_unknowns(run: RunFiles) -> Iterator[str]:
    if not run.facts(DEPLOY):
        yield "How the model answers requests: this run did not deploy it."
    else:
        yield "How fast the endpoint is under load: one request was timed, from the machine that deployed it."
    yield "How the model does after this run: only monitoring with true outcomes can tell."


def _list_exhibits(run: RunFiles) -> Iterator[dict]:
    for result in run.results.values():
        yield from result.get("exhibits", [])
