"""What earlier runs have done: it is found where all is the same and still stands, else it is told why not."""

import json

import pytest

from lib import backends
from lib.chain.record import RunRecord
from lib.chain.reuse import Reuse
from tests.chain.small_notebooks import SmallChain

SAME = {"seed": "42", "lib/metrics.py": "a" * 64}


@pytest.fixture
def past(tmp_path, monkeypatch):
    """Runs that have ended, without anything that a backend would know of them."""
    monkeypatch.setattr(backends, "missing_artifacts", lambda *anything: [])
    return Past(tmp_path)


class Past:
    def __init__(self, folder):
        self.chain = SmallChain(folder)
        self.output = folder / "output.parquet"
        self.output.write_text("rows")

    def run(self, label="train one", status="succeeded", same=SAME, name="example", **facts):
        """A run that has done something."""
        record = RunRecord.new(self.chain.runs, name, {"seed": 42})
        entry = record.begin(label, "03_train.ipynb")
        (record.folder / "03_train.ipynb").write_text("{}")
        record.end(entry, status, **{"outputs": {"rows": str(self.output)}, "fingerprint": same, **facts})
        record.close("succeeded")
        return record

    @property
    def reuse(self):
        return Reuse(self.chain.parameters())


def test_the_newest_of_those_that_are_the_same(past):
    past.run(same={**SAME, "seed": "7"})
    past.run()
    newest = past.run()
    found = past.reuse.find("train one", SAME)
    assert (found.run, found.outputs) == (newest.name, {"rows": str(past.output)})
    assert found.notebook.read_text() == "{}"


@pytest.mark.parametrize("status", ["failed", "running", "killed", "held", "interrupted"])
def test_what_did_not_succeed_is_no_help(past, status):
    past.run(status=status)
    assert past.reuse.find("train one", SAME) is None
    assert past.reuse.reasons_to_run("train one", SAME) == ["no earlier run has finished it"]


def test_that_of_another_training_function_or_of_another_use_case_is_another_thing(past):
    past.run(label="train two")
    past.run(name="other")
    assert past.reuse.find("train one", SAME) is None


def test_without_runs_there_is_nothing_to_take_over(past):
    assert past.reuse.find("train one", SAME) is None


def test_what_a_run_took_over_itself_keeps_the_name_of_the_run_that_did_it(past):
    past.run(status="reused", reused_from="20260101-000000-example")
    assert past.reuse.find("train one", SAME).run == "20260101-000000-example"


class TestFallen:
    @pytest.fixture
    def kept(self, past):
        from lib.chain import fingerprint

        return past.run(file_hashes=fingerprint.hash_files({"rows": str(past.output)}))

    def test_an_output_that_is_as_it_was_left(self, past, kept):
        assert past.reuse.find("train one", SAME).run == kept.name
        assert past.reuse.reasons_to_run("train one", SAME) == []

    def test_an_output_that_is_gone(self, past, kept):
        past.output.unlink()
        assert past.reuse.find("train one", SAME) is None
        assert past.reuse.reasons_to_run("train one", SAME) == [f"{past.output} is gone"]

    def test_an_output_that_was_altered(self, past, kept):
        past.output.write_text("other rows")
        assert past.reuse.find("train one", SAME) is None
        assert past.reuse.reasons_to_run("train one", SAME) == [f"{past.output} has changed since it was made"]

    def test_an_executed_notebook_that_is_gone(self, past, kept):
        (kept.folder / "03_train.ipynb").unlink()
        assert past.reuse.find("train one", SAME) is None
        assert past.reuse.reasons_to_run("train one", SAME) == ["its executed notebook 03_train.ipynb is gone"]

    def test_where_the_newest_has_fallen_the_one_before_it_may_stand(self, past, kept):
        newest = past.run()
        (newest.folder / "03_train.ipynb").unlink()
        assert past.reuse.find("train one", SAME).run == kept.name

    def test_what_the_backend_says_counts(self, past, kept, monkeypatch):
        asked = []

        def fallen(parameters, *about):
            asked.append(about)
            return ["its MLflow run is gone"]

        monkeypatch.setattr(backends, "missing_artifacts", fallen)
        assert past.reuse.find("train one", SAME) is None
        assert past.reuse.reasons_to_run("train one", SAME) == ["its MLflow run is gone"]
        assert asked[0] == ("train", "one", kept.name)


def test_what_changed_is_named_against_the_newest_success(past):
    past.run(same={**SAME, "seed": "1"})
    past.run(same={**SAME, "seed": "7"})
    changed = {**SAME, "lib/metrics.py": "b" * 64}
    assert past.reuse.reasons_to_run("train one", changed) == ["lib/metrics.py has changed", "seed: 7 is now 42"]


@pytest.mark.parametrize(
    "content", ["", "{", "null", "[]", "{}", '{"name": "example"}', '{"name": "example", "stages": 1}']
)
def test_a_record_that_cannot_be_read_is_passed_over(past, content):
    broken = past.chain.runs / "99991231-000000-example"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text(content)
    kept = past.run()
    assert past.reuse.find("train one", SAME).run == kept.name


def test_a_record_of_an_older_kind_without_fingerprints_is_passed_over(past):
    record = past.run()
    state = json.loads((record.folder / "run.json").read_text())
    del state["stages"][0]["fingerprint"]
    (record.folder / "run.json").write_text(json.dumps(state))
    assert past.reuse.find("train one", SAME) is None
