"""The outcome of a run in a few words, and the first lines of its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.evidence.report.model import BAD, GOOD, NEUTRAL, Block, Facts, Paragraph, Points
from lib.evidence.report.run_files import RunFiles
from lib.invocation import command

EVALUATE, DEPLOY, PREPROCESS = "evaluate", "deploy", "preprocess"
_SUCCEEDED, _HELD = "succeeded", "held"
_MAX_ERROR_CHARACTERS = 6_000
_STATUS_VERDICTS = {"failed": "Failed", "interrupted": "Interrupted", "killed": "Killed", "running": "Still running"}


def judge(state: Mapping[str, Any]) -> tuple[str, str]:
    """Return the outcome of a run in a few words, and its tone.

    Parameters
    ----------
    state : mapping
        The content of ``run.json``.

    Examples
    --------
    >>> judge({"status": "failed", "stages": []})
    ('Failed', 'bad')
    """
    status = str(state.get("status", "unknown"))
    if status == _HELD:
        return "Blocked by a gate", BAD
    if status != _SUCCEEDED:
        return _STATUS_VERDICTS.get(status, status.capitalize()), BAD
    facts = find_facts(state, EVALUATE)
    if not facts:
        return "Finished, without a decision", NEUTRAL
    if facts.get("promoted"):
        return f"Promoted: version {facts['production']}", GOOD
    if any(gate.get("verdict") == "champion stays" for gate in facts.get("gates", [])):
        return "The champion stays", NEUTRAL
    return "Already in production", NEUTRAL


def find_facts(state: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    """Return the facts of the newest execution with this label; empty if there are none."""
    stages = [stage for stage in state.get("stages", []) if stage.get("stage") == label and stage.get("facts")]
    return stages[-1]["facts"] if stages else {}


def find_score(state: Mapping[str, Any]) -> tuple[str, float] | None:
    """Return the primary metric and the score of the best candidate on the test rows; None without an evaluation."""
    facts = find_facts(state, EVALUATE)
    scores = {each["name"]: each["score"] for each in facts.get("contenders", [])}
    score = scores.get(facts.get("best"))
    return None if score is None else (str(facts["metric"]), float(score))


def make_lead(run: RunFiles) -> Iterator[Block]:
    """Yield the first lines: what failed and what to do, or the decision and why, then the key figures."""
    if run.status not in (_SUCCEEDED, "running"):
        yield from _describe_failure(run)
    facts = run.facts(EVALUATE)
    sentences = facts.get("sentences", {})
    decision = sentences.get("outcome") or run.outputs().get("decision")
    if decision:
        yield Paragraph(decision)
    yield from (Paragraph(text, is_warning=True) for text in sentences.get("warnings", []))
    yield from (Paragraph(text) for name in ("in_words", "correction") if (text := sentences.get(name)))
    if waivers := sentences.get("waivers"):
        yield Points(waivers)
    if pairs := list(_list_key_figures(run, facts)):
        yield Facts(pairs)


def _describe_failure(run: RunFiles) -> Iterator[Block]:
    """Yield the stage that failed, the cause and the next step."""
    failed = [stage for stage in run.stages if stage.get("status") not in ("succeeded", "reused")]
    names = ", ".join(dict.fromkeys(str(stage["stage"]) for stage in failed)) or "no stage had begun"
    yield Facts([("Stopped in", names)])
    error = str(run.state.get("error") or next((each["error"] for each in failed if each.get("error")), ""))
    outcome = run.facts(EVALUATE).get("sentences", {}).get("outcome", "")
    if error and not (outcome and outcome in error):  # the decision follows anyway
        yield Paragraph(_cut(error), is_preformatted=True)
    yield Paragraph(f"Next step: {next_step(run.status, run.folder)}")


def next_step(status: str, folder: Path) -> str:
    """Return what to do after a run that did not succeed."""
    resume = command("--resume", folder)
    if status == _HELD:
        return (
            "the gates below say what is missing. Improve the model, or record a waiver of the gate in the parameters "
            f"and continue with {resume}"
        )
    if status == "interrupted" or status == "killed":
        return f"continue at the first unfinished stage with {resume}"
    return f"fix the cause above, then continue at this stage with {resume}"


def _cut(text: str) -> str:
    if len(text) <= _MAX_ERROR_CHARACTERS:
        return text
    return f"{text[:_MAX_ERROR_CHARACTERS]}\n... ({len(text) - _MAX_ERROR_CHARACTERS:,} characters left out)"


def _list_key_figures(run: RunFiles, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    score = find_score(run.state)
    if score is not None:
        yield f"{score[0]} of {facts['best']}", f"{score[1]:.4g} on {facts['test_rows']:,} test rows"
    for key, name in (("against_champion", facts.get("champion", "")), ("against_no_skill", "the no-skill model")):
        if key in facts:
            yield f"Better than {name} by", describe_difference(facts[key])
    if facts.get("not_comparable"):
        yield "Champion", f"not comparable: {facts['not_comparable']}"
    elif facts and not facts.get("production_before"):
        yield "Champion", "none: nothing was in production"
    if facts.get("production"):
        yield "In production", f"version {facts['production']}"
    if url := run.facts(DEPLOY).get("url") or run.outputs().get("endpoint_url"):
        yield "Endpoint", str(url)


def describe_difference(difference: Mapping[str, Any]) -> str:
    """Return a difference between two models with its interval.

    >>> describe_difference({"estimate": 0.02, "low": 0.01, "high": 0.03, "rows": 900, "method": "DeLong"})
    '+0.02 (95 % interval +0.01 to +0.03, 900 rows, DeLong)'
    """
    estimate, low, high = difference["estimate"], difference["low"], difference["high"]
    if estimate is None:
        return "not measured: the metric is undefined"
    interval = "no interval" if low is None or high is None else f"95 % interval {low:+.3g} to {high:+.3g}"
    return f"{estimate:+.3g} ({interval}, {difference['rows']:,} rows, {difference['method']})"
