"""The content of a report, in the order in which people read it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from lib.evidence.report import unknowns
from lib.evidence.report.model import Block, Exhibit, Facts, Group, Links, Paragraph, Points, Report, Section
from lib.evidence.report.run_files import RunFiles
from lib.evidence.report.verdict import EVALUATE, describe_difference, judge, make_lead
from lib.outputs import SECTIONS
from lib.parameters.card import QUESTIONS

_STAGE_SECTIONS = {
    "setup": "environment",
    "preprocess": "data",
    "train": "models",
    "automl": "models",
    "evaluate": "models",
    "deploy": "endpoint",
    "monitor": "endpoint",
}
_TRAINING_STAGES = ("train", "automl")
# What a section says if no stage has published anything for it.
_NOTHING = {
    "data": "No stage has described the data.",
    "models": "No models were compared.",
    "decisions": "Not measured: no stage has published what decisions are worth. `costs` and `threshold` set it up.",
    "calibration": "Not measured: probabilities are used as the model gives them (`calibration`).",
    "groups": "Not measured: the scores were not compared between groups.",
    "importance": "Not measured.",
    "gates": "No gate was checked, because the run did not come to a decision.",
    "endpoint": "Nothing was deployed by this run.",
}


def make_report(run: RunFiles) -> Report:
    """Return the content of a run's report.

    Parameters
    ----------
    run : RunFiles
    """
    verdict, tone = judge(run.state)
    blocks: dict[str, list[Block]] = {name: [] for name in SECTIONS}
    chosen = _find_chosen_label(run)
    for label in sorted(run.results, key=lambda label: _rank_stage(label, chosen)):
        _add_exhibits(blocks, label, run.results[label], is_chosen=chosen in (label, ""))
    blocks["models"][:0] = _describe_differences(run)
    blocks["calibration"][:0] = _describe_calibration(run)
    blocks["gates"] += _describe_waivers(run)
    for name, text in _NOTHING.items():
        if not blocks[name]:
            blocks[name].append(Paragraph(text))
    environment = blocks.pop("environment")
    sections = [Section(name, SECTIONS[name], blocks[name]) for name in blocks if blocks[name]]
    sections.append(Section("card", "Owner, intended use and limits", list(_describe_card(run))))
    sections.append(Section("duration", "Duration and cost", list(_describe_duration(run))))
    sections.append(Section("unknown", "What is not known", [Points(list(unknowns.list_unknowns(run)))]))
    sections.append(Section("notebooks", "Executed notebooks", [Links(_list_notebooks(run))]))
    sections.append(Section("origin", "Who ran what", [*_describe_origin(run), *environment]))
    return Report(f"{run.name}: {run.folder.name}", verdict, tone, list(make_lead(run)), sections)


def _rank_stage(label: str, chosen: str) -> int:
    """Return the place of a stage: comparison, chosen candidate, other candidates; equal places keep their order."""
    if label.partition(" ")[0] not in _TRAINING_STAGES:
        return 0
    return 1 if label == chosen else 2


def _add_exhibits(blocks: dict[str, list[Block]], label: str, result: Mapping[str, Any], is_chosen: bool) -> None:
    """Add the exhibits of a stage to their sections. Candidates that were not chosen are folded, without charts."""
    stage = label.partition(" ")[0]
    is_training = stage in _TRAINING_STAGES
    folded: list[Exhibit | Paragraph] = []
    for exhibit in result.get("exhibits", []):
        section = exhibit.get("section") or _STAGE_SECTIONS.get(stage, "other")
        if is_training and not is_chosen:
            if exhibit["kind"] == "table":
                folded.append(Exhibit(exhibit))
        else:
            blocks.setdefault(section if section in SECTIONS else "other", []).append(Exhibit(exhibit))
    if is_training and not is_chosen:
        blocks["models"].append(Group(f"Candidate {label.partition(' ')[2] or label}", folded))


def _find_chosen_label(run: RunFiles) -> str:
    """Return the label of the training stage that trained the best candidate; empty if none can be named."""
    best_run_id = run.facts(EVALUATE).get("best_run_id")
    for stage in run.stages:
        if best_run_id and best_run_id in stage.get("outputs", {}).get("candidates", []):
            return str(stage["stage"])
    return ""


def _describe_differences(run: RunFiles) -> Iterator[Block]:
    """Yield how much better the best candidate is than the champion and than the no-skill model, with intervals."""
    facts = run.facts(EVALUATE)
    references = (("against_champion", facts.get("champion") or "champion"), ("against_no_skill", "no-skill model"))
    pairs = [
        (f"{facts['best']} against {name}", describe_difference(facts[key])) for key, name in references if key in facts
    ]
    if pairs:
        yield Facts(pairs)
        yield Paragraph("A positive difference means better. The intervals hold for all candidates at once.")


def _describe_calibration(run: RunFiles) -> Iterator[Block]:
    """Yield what each training stage measured about its probabilities."""
    pairs = []
    for label in run.results:
        facts = run.facts(label)
        if "calibration_error_before" in facts:
            before, after = facts["calibration_error_before"], facts["calibration_error_after"]
            pairs.append((label.partition(" ")[2] or label, f"calibration error {before:.4f}, afterwards {after:.4f}"))
    if pairs:
        yield Facts(pairs)
        yield Paragraph("Measured on out-of-fold predictions for the training rows; equal numbers: not corrected.")


def _describe_waivers(run: RunFiles) -> Iterator[Block]:
    """Yield the waivers of the parameters."""
    waivers = [each for each in run.parameters.get("waivers") or [] if isinstance(each, Mapping)]
    if waivers:
        yield Points(
            [
                f"Waiver of {each.get('gate')} by {each.get('who')} until {each.get('until')}: {each.get('why')}"
                for each in waivers
            ]
        )
    elif run.facts(EVALUATE):
        yield Paragraph("There are no waivers.")


def _describe_card(run: RunFiles) -> Iterator[Block]:
    """Yield what people have said about the model, and which questions are open."""
    card = run.parameters.get("card") or {}
    if card:
        yield Facts([(key.replace("_", " ").capitalize(), str(card[key])) for key in QUESTIONS if card.get(key)])
    if open_questions := [question for key, question in QUESTIONS.items() if not card.get(key)]:
        yield Paragraph("Not written yet (parameter `card`):")
        yield Points(open_questions)


def _describe_duration(run: RunFiles) -> Iterator[Block]:
    """Yield the duration of the run and of each execution, and what is known about the cost."""
    rows = [[each["stage"], each.get("status", ""), each.get("seconds"), _describe_reuse(each)] for each in run.stages]
    yield Facts([("Total", describe_total(run.state)), ("Cost", _describe_cost(run))])
    yield Exhibit(
        {
            "kind": "table",
            "name": "stages",
            "title": "Stages",
            "caption": "Executions side by side overlap, so their seconds add up to more than the total.",
            "columns": ["stage", "status", "seconds", ""],
            "rows": rows,
            "marked": [],
            "nan_text": "",
            "has_row_names": True,
            "row_count": len(rows),
        }
    )


def _describe_reuse(stage: Mapping[str, Any]) -> str:
    return f"result of {stage['reused_from']}" if stage.get("reused_from") else ""


def describe_total(state: Mapping[str, Any]) -> str:
    """Return the duration of a run from its start to its end.

    >>> describe_total({"started": "2026-11-30T10:00:00+00:00", "ended": "2026-11-30T10:01:05+00:00"})
    '0:01:05'
    """
    if not state.get("started") or not state.get("ended"):
        return "the run has not ended"
    start, end = (datetime.datetime.fromisoformat(state[name]) for name in ("started", "ended"))
    return str(end - start)


def _describe_cost(run: RunFiles) -> str:
    if estimate := run.state.get("cost_estimate"):
        return f"estimated at {estimate['expected_usd']:.2f} USD before the run; the bill was not read"
    if run.parameters.get("backend", "local") == "local":
        return "not measured: the run used this machine only"
    return "not measured"


def _list_notebooks(run: RunFiles) -> list[tuple[str, str]]:
    """Return the label and the page of each executed notebook."""
    return [
        (f"{each['stage']} ({each['notebook']})", each["notebook"].removesuffix(".ipynb") + ".html")
        for each in run.stages
        if "notebook" in each and (run.folder / each["notebook"]).is_file()
    ]


def _describe_origin(run: RunFiles) -> Iterator[Block]:
    """Yield who started the run, with which command, from which commit."""
    origin = run.state.get("started_by") or {}
    git = origin.get("git") or {}
    commit = git.get("commit", "") or git.get("error", "no git checkout")
    if uncommitted := git.get("uncommitted"):
        commit += f", with {len(uncommitted)} uncommitted files"
    pairs = [
        ("Started", f"{run.state.get('started', '')} by {origin.get('user', '?')} on {origin.get('host', '?')}"),
        ("Command", " ".join(origin.get("command", []))),
        ("Commit", f"{commit} {git.get('branch', '')}".strip()),
        ("Parameters", ", ".join([*origin.get("parameter_files", {}), *origin.get("assignments", [])])),
        ("Python", origin.get("versions", {}).get("python", "")),
        ("Machine", ", ".join(map(str, origin.get("machine", {}).values()))),
    ]
    yield Facts([(name, value) for name, value in pairs if value])
    if cause := run.state.get("caused_by"):
        yield Links([(f"Started because of a verdict of monitoring: {cause['verdict']}", cause["page"])])
    yield Paragraph(f"Check that nothing has changed since: run_all.py verify {run.folder.name}")
