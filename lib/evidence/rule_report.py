"""The items of a rule on technical documentation, each with its evidence in a run or with what a person must write.

The rules are dated data files in ``rules/``. The report documents; it does not certify.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib.evidence.report.content import make_report
from lib.evidence.report.markdown import escape
from lib.evidence.report.model import Exhibit, Facts
from lib.evidence.report.run_files import REPORT, RunFiles
from lib.evidence.verifier import MANIFEST

_RULES = Path(__file__).parent / "rules"
EVIDENCE, NOT_APPLICABLE, PERSON = "evidence", "not applicable", "a person must write this"
_DISCLAIMER = (
    "This report documents a run; it does not certify anything. An item with evidence is not thereby met: a person "
    "must judge whether the evidence is enough."
)


@dataclass(frozen=True)
class Answer:
    """What a run has for one item of a rule.

    Attributes
    ----------
    item, asks : str
        Number of the item, and what it asks for.
    status : str
        `EVIDENCE`, `NOT_APPLICABLE` or `PERSON`.
    links : tuple of (str, str)
        Text and address of the evidence, relative to the run's folder; a command has no address.
    remark : str
        Why the item is not applicable, what a person must write, or what is missing beside the evidence.
    """

    item: str
    asks: str
    status: str
    links: tuple[tuple[str, str], ...]
    remark: str


def list_rules() -> list[str]:
    """Return the names of all rules.

    >>> list_rules()
    ['annex-iv', 'sr-26-2']
    """
    return sorted(file.stem for file in _RULES.glob("*.yaml"))


def load_rule(name: str) -> dict[str, Any]:
    """Return the data file of a rule."""
    return yaml.safe_load((_RULES / f"{name}.yaml").read_text(encoding="utf-8"))


def answer_rule(rule: Mapping[str, Any], run: RunFiles) -> list[Answer]:
    """Return what a run has for each item of a rule.

    Parameters
    ----------
    rule : mapping
        See `load_rule`.
    run : RunFiles
    """
    available = find_evidence(run)
    return [_answer_item(item, available) for item in rule["items"]]


def _answer_item(item: Mapping[str, Any], available: Mapping[str, tuple[str, str]]) -> Answer:
    number, asks = str(item["id"]), str(item["asks"])
    if "not_applicable" in item:
        return Answer(number, asks, NOT_APPLICABLE, (), str(item["not_applicable"]))
    wanted = item.get("evidence", [])
    links = tuple(available[key] for key in wanted if key in available)
    missing = ", ".join(_name(key) for key in wanted if key not in available)
    remarks = [str(item.get("person", "")), f"Missing in this run: {missing}." if missing else ""]
    return Answer(number, asks, EVIDENCE if links else PERSON, links, " ".join(filter(None, remarks)))


def _name(key: str) -> str:
    kind, _, name = key.partition(".")
    return {"card": f"card: {name}", "section": f"the report's part on {name}"}.get(kind, name or kind)


def find_evidence(run: RunFiles) -> dict[str, tuple[str, str]]:
    """Return the evidence that a run has: text and address by key, such as ``card.owner`` or ``section.groups``."""
    report = make_report(run)
    # A section that only says that nothing was measured is no evidence.
    evidence = {
        f"section.{section.name}": (section.title, f"{REPORT}#{section.name}")
        for section in report.sections
        if section.name in ("unknown", "duration")
        or any(isinstance(block, Exhibit | Facts) for block in section.blocks)
    }
    for key, text in (run.parameters.get("card") or {}).items():
        if text:
            evidence[f"card.{key}"] = (f"card: {key}", f"{REPORT}#card")
    origin = run.state.get("started_by") or {}
    for key in ("versions", "machine", "git", "user"):
        if origin.get(key):
            evidence[f"record.{key}"] = (f"run.json: started_by.{key}", "run.json")
    if (run.folder / MANIFEST).is_file():
        evidence[f"file.{MANIFEST}"] = (MANIFEST, MANIFEST)
    if any((run.folder / each.get("notebook", "")).is_file() for each in run.stages if "notebook" in each):
        evidence["notebooks"] = ("executed notebooks", f"{REPORT}#notebooks")
    evidence["file.sbom"] = ("run_all.py sbom", "")
    if run.facts("evaluate").get("production"):
        evidence["section.history"] = (f"run_all.py history {run.name}", "")
    return evidence


def render_rule(rule: Mapping[str, Any], run: RunFiles) -> str:
    """Return the report on a rule in Markdown."""
    return "\n".join(_iterate_lines(rule, run))


def _iterate_lines(rule: Mapping[str, Any], run: RunFiles) -> Iterator[str]:
    answers = answer_rule(rule, run)
    yield from [f"# {escape(rule['title'])}", "", f"Run {escape(run.folder.name)} of {escape(run.name)}.", ""]
    yield from [f"**{_DISCLAIMER}**", "", f"As of {rule['as_of']}. {escape(rule['applies'])}", ""]
    yield from ["| item | asks for | status | evidence | remark |", "| --- | --- | --- | --- | --- |"]
    for answer in answers:
        links = ", ".join(f"[{escape(text)}]({address})" if address else f"`{text}`" for text, address in answer.links)
        cells = [escape(answer.item), escape(answer.asks), f"*{answer.status}*", links, escape(answer.remark)]
        yield f"| {' | '.join(cells)} |"
    counts = {status: sum(each.status == status for each in answers) for status in (EVIDENCE, NOT_APPLICABLE, PERSON)}
    yield from ["", "; ".join(f"{status}: {count}" for status, count in counts.items()) + ".", "", "Sources:", ""]
    yield from (f"- {escape(source)}" for source in rule["sources"])
