"""The comparison of two runs as the blocks of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lib.evidence.compare import results as result_lists
from lib.evidence.compare.cause import find_cause
from lib.evidence.compare.changes import CODE, DATA, MACHINE, PARAMETER, SEED, VERSION, Change, find_changes
from lib.evidence.compare.results import Result
from lib.evidence.report.model import NEUTRAL, Block, Exhibit, Paragraph, Report, Section
from lib.evidence.report.run_files import RunFiles
from lib.evidence.report.verdict import describe_difference, judge

_SECTIONS = {
    PARAMETER: "Parameters",
    SEED: "Seed",
    DATA: "Data files",
    CODE: "Code",
    VERSION: "Versions",
    MACHINE: "Machine",
}
_MAX_ROWS = 50


def compare_runs(first: RunFiles, second: RunFiles, difference: Mapping[str, Any] | str) -> Report:
    """Return the comparison of two runs.

    Parameters
    ----------
    first, second : RunFiles
    difference : mapping or str
        How much better the best candidate of the second run is on common test rows, see
        ``verdict.describe_difference``; a string says why that cannot be measured.
    """
    changes = find_changes(first, second)
    results = result_lists.list_results(first, second)
    cause = find_cause(changes, result_lists.find_first_difference(results))
    lead: list[Block] = [
        Paragraph(cause.sentence),
        _make_table(
            "Runs", ["", first.folder.name, second.folder.name], list(_list_outcomes(first, second, difference))
        ),
    ]
    sections = [
        Section(kind, title, [_make_change_table(title, [change for change in changes if change.kind == kind])])
        for kind, title in _SECTIONS.items()
    ]
    sections.insert(3, Section("statistics", "Rows, columns and statistics", [_make_data_table(first, second)]))
    sections.append(Section("scores", "Scores", [_make_score_table(first, second)]))
    title = f"{first.folder.name} and {second.folder.name}"
    return Report(title, "Comparison", NEUTRAL, lead, sections)


def _list_outcomes(
    first: RunFiles, second: RunFiles, difference: Mapping[str, Any] | str
) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each outcome: its name, and what it is in the first and in the second run."""
    yield "outcome", judge(first.state)[0], judge(second.state)[0]
    yield "decision", _read_decision(first), _read_decision(second)
    yield "best candidate", _describe_best(first), _describe_best(second)
    described = difference if isinstance(difference, str) else describe_difference(difference)
    yield "better by, on the same rows", "", described
    yield "commit", _read_commit(first), _read_commit(second)


def _read_commit(run: RunFiles) -> str:
    return str(((run.state.get("started_by") or {}).get("git") or {}).get("commit", ""))


def _read_decision(run: RunFiles) -> str:
    return str(run.facts("evaluate").get("sentences", {}).get("outcome") or run.outputs().get("decision", ""))


def _describe_best(run: RunFiles) -> str:
    facts = run.facts("evaluate")
    score = {each["name"]: each["score"] for each in facts.get("contenders", [])}.get(facts.get("best"))
    return "" if score is None else f"{facts['best']}: {facts['metric']} {score:.4g} on {facts['test_rows']:,} rows"


def _make_change_table(title: str, changes: Sequence[Change]) -> Paragraph | Exhibit:
    if not changes:
        return Paragraph("No difference.")
    rows = [(change.name, change.before, change.after, ", ".join(change.stages)) for change in changes]
    return _make_table(title, ["", "first run", "second run", "acts on"], rows)


def _make_data_table(first: RunFiles, second: RunFiles) -> Paragraph | Exhibit:
    differing = [result for result in result_lists.list_data_results(first, second) if not result.is_equal]
    if not first.facts("preprocess") or not second.facts("preprocess"):
        return Paragraph("Not known: one of the runs did not prepare the data.")
    return _make_result_table("Rows, columns and statistics of the training rows", differing)


def _make_score_table(first: RunFiles, second: RunFiles) -> Paragraph | Exhibit:
    results = list(result_lists.list_scores(first, second))
    scores = [result for result in results if result.stage == "evaluate"] or results
    return _make_result_table("Scores on the test rows of each run", scores)


def _make_result_table(title: str, results: Sequence[Result]) -> Paragraph | Exhibit:
    if not results:
        return Paragraph("No difference.")
    return _make_table(
        title, ["", "first run", "second run"], [(each.name, each.before, each.after) for each in results]
    )


def _make_table(title: str, columns: list[str], rows: Sequence[tuple]) -> Exhibit:
    return Exhibit(
        {
            "kind": "table",
            "name": title,
            "title": title,
            "caption": "",
            "columns": columns,
            "rows": [list(row) for row in rows[:_MAX_ROWS]],
            "marked": [],
            "nan_text": "",
            "has_row_names": True,
            "row_count": len(rows),
        }
    )
