"""The simulate command: exit codes, report, refusals, and a workspace that stays as it was."""

import hashlib
import json
from types import SimpleNamespace

import pytest

from lib.commands import main, simulate
from lib.errors import StageError
from lib.simulation import scenarios
from tests import workspaces
from tests.workspaces import NAME, pipeline_in, table

copy_after = workspaces.copy_after
trained = workspaces.trained
with_champion = workspaces.with_champion


def hash_folder(folder):
    """Return a digest of the names and contents of all files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def use_scenario(monkeypatch):
    """Return a function that replaces the scenarios by a function of the use case."""

    def replace(run):
        scenario = SimpleNamespace(DESCRIPTION="Something is done.", run=run)
        monkeypatch.setattr(scenarios, "load", lambda name: scenario)

    return replace


@pytest.fixture
def simulate_in(tmp_path):
    """Return a function that runs the command on a workspace."""

    def execute(workspace, *arguments, **parameters):
        table().to_csv(tmp_path / "shop.csv", index=False)
        (tmp_path / "empty.yaml").write_text("{}\n")
        values = {
            "name": NAME,
            "data": tmp_path / "shop.csv",
            "target_column": "bought",
            "drop_columns": "[price]",
            "task": "binary",
            "primary_metric": "roc_auc",
            "workspace": workspace,
            "runs_folder": tmp_path / "runs",
            **parameters,
        }
        options = [part for name, value in values.items() for part in ("-p", f"{name}={value}")]
        return main(["simulate", "drift", "--params", str(tmp_path / "empty.yaml"), *options, *arguments])

    return execute


@pytest.mark.parametrize(("is_held", "code"), [(True, 0), (False, simulate.BROKEN_PROMISE)])
def test_exit_code_and_report_say_whether_promises_held(
    with_champion, simulate_in, use_scenario, tmp_path, is_held, code
):
    def run(use_case):
        use_case.timeline.did("Killed <a> worker.")
        use_case.timeline.check("Nothing fails.", is_held, "See above.")

    use_scenario(run)
    assert simulate_in(with_champion, "--out", str(tmp_path / "report")) == code
    page = (tmp_path / "report" / "report.html").read_text()
    result = json.loads((tmp_path / "report" / "simulation.json").read_text())
    assert result["held"] is is_held and [check["held"] for check in result["checks"]] == [is_held]
    assert [event["actor"] for event in result["events"]] == ["simulation", "simulation"]
    assert "Killed &lt;a&gt; worker." in page and "Nothing fails." in page and "Something is done." in page
    assert "<script" not in page and "http://" not in page and "https://" not in page


def test_a_scenario_without_a_check_is_not_held(with_champion, simulate_in, use_scenario):
    use_scenario(lambda use_case: None)
    assert simulate_in(with_champion) == simulate.BROKEN_PROMISE


def test_the_workspace_stays_as_it_was(with_champion, simulate_in, use_scenario):
    """The copy may be changed in every way: versions, tables, artifacts and runs."""
    seen = {}

    def run(use_case):
        workspace = use_case.folder / "workspace"
        seen["scratch"] = use_case.folder
        seen["version"] = use_case.champion.version
        seen["model"] = use_case.backend.tracking.model_folder(use_case.champion.source, use_case.champion.sha256)
        use_case.registry.retire(use_case.champion.version, "a bad day")
        with use_case.backend.tracking.run(NAME, "train", "another", {}):
            pass
        for path in [*workspace.rglob("*.parquet"), *workspace.rglob("*.json")]:
            path.write_bytes(b"broken")
        use_case.timeline.check("Nothing.", True, "Nothing.")

    before = hash_folder(with_champion)
    use_scenario(run)
    assert simulate_in(with_champion) == 0
    assert hash_folder(with_champion) == before
    assert seen["version"] == "1" and seen["model"].is_relative_to(seen["scratch"])
    assert not seen["scratch"].exists()
    assert pipeline_in(with_champion).backend.models(NAME).production().version == "1"


def test_the_copy_has_no_endpoint_and_no_earlier_looks(with_champion, simulate_in, use_scenario):
    (with_champion / "endpoints" / NAME / "requests").mkdir(parents=True)
    (with_champion / "endpoints" / NAME / "keys.json").write_text("{}")
    looks = with_champion / "data" / NAME / "monitoring"
    looks.mkdir(parents=True)
    (looks / "history.json").write_text("{}")

    def run(use_case):
        assert not use_case.endpoint.exists() and not use_case.request_log.exists()
        assert not list(use_case.folder.rglob("history.json")) and not list(use_case.folder.rglob("keys.json"))
        assert use_case.parameters.notify == {} and use_case.parameters.endpoint_port == 0
        use_case.timeline.check("Nothing.", True, "Nothing.")

    use_scenario(run)
    assert simulate_in(with_champion, notify='{"webhook": "http://127.0.0.1:9/"}', endpoint_port=4711) == 0


def test_a_simulation_that_stops_early_leaves_a_report(with_champion, simulate_in, use_scenario, tmp_path, capsys):
    def run(use_case):
        raise StageError("the copy fell down")

    use_scenario(run)
    assert simulate_in(with_champion, "--out", str(tmp_path / "report")) == 1
    result = json.loads((tmp_path / "report" / "simulation.json").read_text())
    assert not result["held"] and "the copy fell down" in result["failure"]
    assert "the copy fell down" in (tmp_path / "report" / "report.html").read_text()
    assert "unknown: the simulation stopped early" in capsys.readouterr().out


def test_a_kept_copy_can_be_looked_at(with_champion, simulate_in, use_scenario, tmp_path):
    use_scenario(lambda use_case: use_case.timeline.check("Nothing.", True, "Nothing."))
    assert simulate_in(with_champion, "--scratch", str(tmp_path / "kept")) == 0
    assert (tmp_path / "kept" / "workspace" / "mlflow.db").is_file()
    assert (tmp_path / "kept" / "parameters.yaml").is_file()


def test_folders_with_files_are_refused(with_champion, simulate_in, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for option in ("--out", "--scratch"):
        assert simulate_in(with_champion, option, str(tmp_path / "full")) == 2
        assert f"{option}: " in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


def test_a_copy_in_memory_cannot_be_kept(with_champion, simulate_in, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scenarios, "load", lambda name: SimpleNamespace(SPARE_MEGABYTES=1))
    assert simulate_in(with_champion, "--scratch", str(tmp_path / "kept")) == 2
    assert "is on a disk in memory and cannot be kept" in capsys.readouterr().err


def test_without_a_champion_or_a_workspace_nothing_is_simulated(trained, simulate_in, tmp_path, capsys):
    assert simulate_in(trained) == 2
    assert "has the tag production" in capsys.readouterr().err
    assert simulate_in(tmp_path / "nowhere") == 2
    assert "has no mlflow.db" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_an_unknown_scenario_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", "earthquake"])
    assert stopped.value.code == 2
    assert "lost-worker" in capsys.readouterr().err


def test_each_name_has_a_scenario():
    for name in scenarios.NAMES:
        scenario = scenarios.load(name)
        assert callable(scenario.run) and scenario.DESCRIPTION.endswith(".")
