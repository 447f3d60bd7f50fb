"""Reuse of earlier executions: execution if nothing changed, otherwise the reasons are named."""

import json

import pytest

from lib import backends
from lib.chain.record import RunRecord
from lib.chain.reuse import EarlierResults
from tests.chain.small_notebooks import SmallChain

SAME = {"seed": "42", "lib/metrics.py": "a" * 64}


@pytest.fixture
def past(tmp_path, monkeypatch):
    """Finished runs, without artifacts of a backend."""
    monkeypatch.setattr(backends, "missing_artifacts", lambda *anything: [])
    return Past(tmp_path)


class Past:
    def __init__(self, folder):
        self.chain = SmallChain(folder)
        self.output = folder / "output.parquet"
        self.output.write_text("rows")

    def run(self, label="train one", status="succeeded", same=SAME, name="example", **facts):
        """Record a run with one execution."""
        record = RunRecord.new(self.chain.runs, name, {"seed": 42})
        entry = record.begin(label, "03_train.ipynb")
        (record.folder / "03_train.ipynb").write_text("{}")
        record.end(entry, status, **{"outputs": {"rows": str(self.output)}, "fingerprint": same, **facts})
        record.close("succeeded")
        return record

    @property
    def reuse(self):
        return EarlierResults(self.chain.parameters())


def test_newest_equal_execution_is_found(past):
    past.run(same={**SAME, "seed": "7"})
    past.run()
    newest = past.run()
    execution = past.reuse.find("train one", SAME)
    assert (execution.run, execution.outputs) == (newest.name, {"rows": str(past.output)})
    assert execution.notebook.read_text() == "{}"


@pytest.mark.parametrize("status", ["failed", "running", "killed", "held", "interrupted"])
def test_failures_are_not_found(past, status):
    past.run(status=status)
    assert past.reuse.find("train one", SAME) is None
    assert past.reuse.explain_run("train one", SAME) == ["no earlier run has finished it"]


def test_other_functions_and_use_cases_are_not_found(past):
    past.run(label="train two")
    past.run(name="other")
    assert past.reuse.find("train one", SAME) is None


def test_nothing_is_found_without_runs(past):
    assert past.reuse.find("train one", SAME) is None


def test_reused_execution_keeps_its_first_run(past):
    past.run(status="reused", reused_from="20260101-000000-example")
    assert past.reuse.find("train one", SAME).run == "20260101-000000-example"


class TestMissingResults:
    @pytest.fixture
    def kept(self, past):
        from lib.chain import fingerprint

        return past.run(file_hashes=fingerprint.hash_files({"rows": str(past.output)}))

    def test_unchanged_output_is_reused(self, past, kept):
        assert past.reuse.find("train one", SAME).run == kept.name
        assert past.reuse.explain_run("train one", SAME) == []

    def test_missing_output(self, past, kept):
        past.output.unlink()
        assert past.reuse.find("train one", SAME) is None
        assert past.reuse.explain_run("train one", SAME) == [f"{past.output} is gone"]

    def test_changed_output(self, past, kept):
        past.output.write_text("other rows")
        assert past.reuse.find("train one", SAME) is None
        assert past.reuse.explain_run("train one", SAME) == [f"{past.output} has changed since that run"]

    def test_missing_notebook(self, past, kept):
        (kept.folder / "03_train.ipynb").unlink()
        assert past.reuse.find("train one", SAME) is None
        assert past.reuse.explain_run("train one", SAME) == ["the executed notebook 03_train.ipynb is gone"]

    def test_older_execution_is_found_if_the_newest_is_gone(self, past, kept):
        newest = past.run()
        (newest.folder / "03_train.ipynb").unlink()
        assert past.reuse.find("train one", SAME).run == kept.name

    def test_backend_reports_missing_artifacts(self, past, kept, monkeypatch):
        asked = []

        def missing_artifacts(parameters, *about):
            asked.append(about)
            return ["its MLflow run is gone"]

        monkeypatch.setattr(backends, "missing_artifacts", missing_artifacts)
        assert past.reuse.find("train one", SAME) is None
        assert past.reuse.explain_run("train one", SAME) == ["its MLflow run is gone"]
        assert asked[0] == ("train", "one", kept.name)


def test_changes_since_the_newest_success_are_named(past):
    past.run(same={**SAME, "seed": "1"})
    past.run(same={**SAME, "seed": "7"})
    changed = {**SAME, "lib/metrics.py": "b" * 64}
    assert past.reuse.explain_run("train one", changed) == ["lib/metrics.py has changed", "seed: 7 is now 42"]


@pytest.mark.parametrize(
    "content", ["", "{", "null", "[]", "{}", '{"name": "example"}', '{"name": "example", "stages": 1}']
)
def test_unreadable_records_are_ignored(past, content):
    broken = past.chain.runs / "99991231-000000-example"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text(content)
    kept = past.run()
    assert past.reuse.find("train one", SAME).run == kept.name


def test_records_without_fingerprints_are_ignored(past):
    record = past.run()
    state = json.loads((record.folder / "run.json").read_text())
    del state["stages"][0]["fingerprint"]
    (record.folder / "run.json").write_text(json.dumps(state))
    assert past.reuse.find("train one", SAME) is None
