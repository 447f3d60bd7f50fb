"""What stages publish for the report: plain JSON with every table and chart, and the facts that other commands read."""

import json
from pathlib import Path

import pytest

from lib import charts, outputs
from tests import workspaces
from tests.workspaces import pipeline_in

copy_after = workspaces.copy_after
prepared = workspaces.prepared
with_rivals = workspaces.with_rivals


@pytest.fixture(autouse=True)
def small_charts(monkeypatch):
    """Skip the drawing of charts."""
    monkeypatch.setattr(charts.Chart, "png", b"picture")


def test_evaluation_publishes_contenders_gates_and_decision(with_rivals):
    with workspaces.quick_logging():
        published = pipeline_in(with_rivals, costs={"false_negative": 5, "false_positive": 1}).evaluate().describe()
    assert outputs.faults(published) == []
    facts = published["facts"]
    assert facts["best"] == "by_size" and facts["promoted"] and facts["production"] == "1"
    assert [each["name"] for each in facts["contenders"]] == ["by_luck", "by_size", "no-skill"]
    assert facts["against_no_skill"]["low"] < facts["against_no_skill"]["estimate"] < facts["against_no_skill"]["high"]
    assert {gate["gate"] for gate in facts["gates"]} >= {"no_skill", "min_score", "champion"}
    assert facts["sentences"]["outcome"].startswith("by_size (roc_auc")
    sections = {each["title"]: each["section"] for each in published["exhibits"]}
    assert sections["Gates"] == "gates" and sections["Decisions"] == "decisions"
    assert len(sections) == len(published["exhibits"]), "each table and chart comes once, with a title of its own"


def test_promoted_version_has_a_model_card(prepared):
    pipeline = pipeline_in(prepared, card={"owner": "Credit risk"})
    # A candidate of this workspace: MLflow remembers the folder of each run of this process by its id.
    workspaces.log_candidate(pipeline, "by_size", "size")
    with workspaces.quick_logging():
        pipeline.evaluate()
    version = pipeline.backend.models(workspaces.NAME).production()
    file = pipeline.backend.tracking.client.download_artifacts(version.run_id, version.tags["card"])
    text = Path(file).read_text(encoding="utf-8")
    assert f"# {workspaces.NAME}, version 1" in text and "Credit risk" in text and "| by_size |" in text


def test_preprocess_publishes_sizes_and_statistics(prepared):
    with workspaces.quick_logging():
        facts = pipeline_in(prepared).preprocess().describe()["facts"]
    assert facts["table_rows"] == facts["train_rows"] + facts["test_rows"] == 240
    assert set(facts["columns"]) == {"size", "luck", "colour", "bought"}
    assert facts["columns"]["luck"]["missing"] == pytest.approx(1 / 9, abs=0.05)
    assert "categories" not in json.dumps(facts["columns"])


def test_large_evidence_loses_its_largest_charts(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    exhibits = [{"kind": "chart", "name": str(size), "png": "A" * size} for size in (3_000_000, 2_000_000, 10)]
    outputs.publish_evidence({"facts": {"a": 1}, "exhibits": exhibits})
    (data,) = shown
    published = data[outputs.EVIDENCE_TYPE]
    assert [len(each["png"]) for each in published["exhibits"]] == [0, 2_000_000, 10]
    assert len(json.dumps(published)) <= outputs.MAX_EVIDENCE_BYTES


def test_evidence_is_read_from_the_executed_notebook(tmp_path):
    evidence = {"facts": {"a": 1}, "exhibits": []}
    cells = [
        {"cell_type": "markdown", "source": ""},
        {"cell_type": "code", "source": "", "outputs": [{"output_type": "stream", "text": "x"}]},
        {"cell_type": "code", "source": "", "outputs": [{"data": {outputs.EVIDENCE_TYPE: evidence}}]},
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    assert outputs.read_evidence(tmp_path / "n.ipynb") == evidence
    assert outputs.read_evidence(tmp_path / "missing.ipynb") == {}
