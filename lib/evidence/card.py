"""The model card: what a model was made from, how good it is, for whom, what it is for and what is not known.

The front matter and the headings follow the model cards of Hugging Face, so that their tools can read it:
https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from lib.evidence.report import texts
from lib.evidence.report.markdown import escape, render_table
from lib.parameters.card import QUESTIONS

CARD = "model_card.md"
_PIPELINE_TAGS = {
    "binary": "tabular-classification",
    "multiclass": "tabular-classification",
    "regression": "tabular-regression",
}
_GROUPS, _CALIBRATION = "groups", "calibration"
_MAX_COLUMNS = 50


def make_card(
    facts: Mapping[str, Any],
    exhibits: Sequence[Mapping[str, Any]],
    baseline: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> str:
    """Return the card of a registered version in Markdown.

    Parameters
    ----------
    facts : mapping
        The facts of the evaluation, see ``stages._facts.describe_evaluation``; ``production`` is the version.
    exhibits : sequence of mapping
        The exhibits of the evaluation; tables of groups and of calibration become part of the card.
    baseline : mapping
        Statistics of the training rows.
    parameters : mapping
        ``name``, ``task``, ``primary_metric``, ``target_column``, ``card`` and ``run_name``.
    """
    lines = [*_front_matter(facts, parameters), f"# {escape(parameters['name'])}, version {facts['production']}", ""]
    lines += [*_describe_model(facts, parameters), *_describe_uses(parameters), *_describe_risks(parameters)]
    lines += [*_describe_data(baseline, parameters), *_describe_scores(facts)]
    for section, title in ((_GROUPS, "Groups"), (_CALIBRATION, "Calibration")):
        lines += [f"### {title}", "", *_show_exhibits(exhibits, section), ""]
    lines += _describe_contact(parameters)
    return "\n".join(lines).rstrip() + "\n"


def _front_matter(facts: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield the metadata in the form of Hugging Face's model index."""
    pipeline_tag = _PIPELINE_TAGS[parameters["task"]]
    scores = {each["name"]: each["score"] for each in facts["contenders"]}
    result = {
        "task": {"type": pipeline_tag},
        "dataset": {"name": parameters["name"], "type": "tabular"},
        "metrics": [{"type": facts["metric"], "value": scores[facts["best"]], "verified": False}],
    }
    metadata = {
        "library_name": "sklearn",
        "pipeline_tag": pipeline_tag,
        "tags": ["tabular", "millrace"],
        "license": parameters["card"].get("license", "other"),
        "model-index": [{"name": parameters["name"], "results": [result]}],
    }
    yield from ["---", yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True).rstrip(), "---", ""]


def _describe_model(facts: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        ["Predicts", f"{parameters['target_column']} ({parameters['task']})"],
        ["Training function", facts["best"]],
        ["Version", f"{facts['production']}, in place of {facts['production_before'] or 'none'}"],
        ["Run", parameters.get("run_name") or "by hand"],
        ["Owner", _ask(parameters, "owner")],
        ["License", _ask(parameters, "license")],
    ]
    yield from ["## Model Details", "", *render_table(["", ""], rows, [False, False]), ""]
    if outcome := facts.get("sentences", {}).get("outcome"):
        yield from [escape(outcome), ""]


def _describe_uses(parameters: Mapping[str, Any]) -> Iterator[str]:
    yield from ["## Uses", "", "### Direct Use", "", escape(_ask(parameters, "intended_use")), ""]
    yield from ["### Out-of-Scope Use", "", escape(_ask(parameters, "out_of_scope")), ""]


def _describe_risks(parameters: Mapping[str, Any]) -> Iterator[str]:
    yield from ["## Bias, Risks, and Limitations", "", escape(_ask(parameters, "limits")), ""]
    yield from [f"Affected people: {escape(_ask(parameters, 'affected_people'))}", ""]
    yield from ["### Recommendations", "", escape(_ask(parameters, "oversight")), ""]


def _ask(parameters: Mapping[str, Any], key: str) -> str:
    """Return what the parameter ``card`` says, or that a person must write it."""
    return parameters["card"].get(key) or f"Not written yet. {QUESTIONS[key]} (parameter card, {key})"


def _describe_data(baseline: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[str]:
    columns = baseline.get("columns", {})
    yield from ["## Training Details", "", "### Training Data", "", escape(_ask(parameters, "data_origin")), ""]
    yield from [f"{baseline.get('rows', 0):,} training rows with {len(columns):,} columns:", ""]
    rows = [
        [str(name), str(column.get("kind", "")), f"{column['missing']:.1%}" if "missing" in column else ""]
        for name, column in list(columns.items())[:_MAX_COLUMNS]
    ]
    yield from [*render_table(["column", "kind", "missing"], rows, [False, False, True]), ""]
    if len(columns) > _MAX_COLUMNS:
        yield from [f"The first {_MAX_COLUMNS} of {len(columns):,} columns.", ""]


def _describe_scores(facts: Mapping[str, Any]) -> Iterator[str]:
    yield from ["## Evaluation", "", "### Metrics", ""]
    yield from [f"{escape(facts['metric'])} on {facts['test_rows']:,} test rows that no model was trained on:", ""]
    rows = [[each["name"], texts.format_value(each["score"], "undefined")] for each in facts["contenders"]]
    yield from [*render_table(["model", facts["metric"]], rows, [False, True]), ""]
    gates = [[each["gate"], each["verdict"], each["measured"], each["limit"]] for each in facts["gates"]]
    yield from [*render_table(["gate", "verdict", "measured", "limit"], gates, [False] * 4), ""]


def _show_exhibits(exhibits: Sequence[Mapping[str, Any]], section: str) -> Iterator[str]:
    tables = [each for each in exhibits if each["section"] == section and each["kind"] == "table"]
    if not tables:
        yield "Not measured."
    for table in tables:
        rows = [[texts.format_value(value, table["nan_text"]) for value in row] for row in table["rows"]]
        yield from [f"**{escape(table['title'])}**", ""]
        yield from [*render_table(table["columns"], rows, [False] * len(table["columns"])), ""]


def _describe_contact(parameters: Mapping[str, Any]) -> Iterator[str]:
    yield from ["## Model Card Contact", "", escape(_ask(parameters, "contact")), ""]
    yield "This card documents the model. It does not certify it."
