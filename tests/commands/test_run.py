"""The command line: what it shows, what it refuses, how fast, and with which exit code."""

import json
import os
import resource
import shlex
import subprocess
import sys

import pytest

from lib import errors
from lib.chain import contracts, notebooks, running
from lib.chain.failures import StageFailed
from lib.chain.record import RunRecord
from lib.commands import EXIT_CODES, main, run
from lib.parameters import load
from lib.paths import ROOT

HEAVY = ("pandas", "numpy", "sklearn", "mlflow", "papermill", "scrapbook", "matplotlib", "pyarrow", "nbformat")
CPU_SECONDS = 2


@pytest.fixture
def given(tmp_path):
    """Arguments that let nothing be written outside the test's folder."""
    return ["-p", f"workspace={tmp_path / 'workspace'}", "-p", f"runs_folder={tmp_path / 'runs'}"]


class TestAsAProgram:
    @staticmethod
    def run(*arguments):
        """Run it, and return its exit code, output, errors and seconds of processor time."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ran = subprocess.run(
            [sys.executable, str(ROOT / "run_all.py"), *arguments], capture_output=True, text=True, timeout=60
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return ran.returncode, ran.stdout, ran.stderr, seconds

    def test_a_dry_run_shows_parameters_and_steps_at_once(self, given):
        code, out, err, seconds = self.run("--dry-run", *given)
        assert (code, err) == (0, "")
        assert "target_column: 'late'" in out
        assert [line.split("  ")[0] for line in out.strip().splitlines()[-8:]] == [
            "setup",
            "preprocess",
            "train linear",
            "train random_forest",
            "train gradient_boosting",
            "train xgboost",
            "evaluate",
            "deploy",
        ]
        assert seconds < CPU_SECONDS

    def test_a_bad_parameter_ends_it_at_once_with_all_faults_in_one_message(self, given):
        wrong = ["-p", "seed=one", "-p", "test_fraction=7", "-p", "trask=binary", "-p", "data=nowhere.csv"]
        code, out, err, seconds = self.run(*given, *wrong)
        assert (code, out) == (2, "")
        assert err.startswith("run_all.py: 3 parameters cannot be used:\n")
        for said in ("seed (-p): got text ('one')", "test_fraction (-p): 7.0 is out", "Did you mean 'task'?"):
            assert said in err
        assert seconds < CPU_SECONDS


def test_checking_imports_nothing_heavy(tmp_path):
    script = (
        "import sys\nfrom lib.commands import main\n"
        f"codes = main(['--dry-run']), main(['-p', 'seed=one'])\n"
        f"print(codes, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ran.stderr.splitlines()[-1] == "(0, 2) []"


@pytest.fixture
def nothing_runs(monkeypatch):
    """A run that would start a notebook fails instead."""

    def run(*anything):
        pytest.fail("a notebook was started")

    monkeypatch.setattr(running, "run", run)


@pytest.mark.usefixtures("nothing_runs")
class TestRefusing:
    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (
                ["--params", "parameters/flihgts.yaml"],
                "There is no parameter file parameters/flihgts.yaml. Did you mean",
            ),
            (["-p", "seed"], "expected name=value"),
            (["-p", "data=nowhere.csv"], "data: There is no file nowhere.csv"),
            (["--from", "trian"], "Did you mean 'train'?"),
            (["--only", "train", "--to", "deploy"], "--only runs one stage alone"),
            (["--from", "deploy", "--to", "setup"], "nothing is left to run"),
            (["--resume", "runs/20260101-000000-none"], "give it without others"),
        ],
    )
    def test_what_cannot_be_used_ends_with_code_2_and_makes_nothing(self, given, tmp_path, capsys, wrong, said):
        assert main([*given, *wrong]) == 2
        shown = capsys.readouterr()
        assert said in shown.err
        assert shown.err.startswith("run_all.py: ") and "Traceback" not in shown.err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("arguments", [["--unknown"], ["extra"], ["endpoint"], ["endpoint", "start"]])
    def test_what_the_command_line_does_not_know_ends_with_code_2(self, arguments, capsys):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 2
        assert "usage: run_all.py" in capsys.readouterr().err

    def test_a_dry_run_makes_nothing(self, given, tmp_path, capsys):
        assert main([*given, "--dry-run", "--only", "train"]) == 0
        assert "train linear" in capsys.readouterr().out
        assert list(tmp_path.iterdir()) == []


class TestRunning:
    """The notebooks themselves are another test's; here a run ends as it is told to."""

    @pytest.fixture
    def ending(self, monkeypatch, given, tmp_path):
        """Run with an end, and return exit code and record."""

        def run(end):
            monkeypatch.setattr(running, "run", lambda executions, values, record, progress, reuse: end(values))
            code = main([*given, "--only", "setup"])
            (folder,) = (tmp_path / "runs").iterdir()
            return code, json.loads((folder / "run.json").read_text())

        return run

    def test_a_run_that_went_well(self, ending, capsys):
        code, record = ending(lambda values: {**values, "decision": "linear goes to production."})
        assert (code, record["status"]) == (0, "succeeded")
        shown = capsys.readouterr().out
        assert "linear goes to production." in shown
        assert "Executed notebooks: " in shown
        assert "curl" not in shown

    def test_the_end_has_a_curl_line_and_how_to_stop(self, ending, capsys, tmp_path):
        sample = tmp_path / "sample.json"
        sample.write_text("{}")
        served = {"endpoint_url": "http://127.0.0.1:5001/score", "sample_request": sample.as_uri()}
        ending(lambda values: {**values, **served})
        shown = capsys.readouterr().out
        where = f"flights -p workspace={tmp_path / 'workspace'}"
        assert "curl -s http://127.0.0.1:5001/score" in shown
        assert f"run_all.py endpoint key {where})" in shown
        assert f"-d @{sample}" in shown
        assert f"Stop it: {run._python()} run_all.py endpoint stop {where}" in shown

    @pytest.mark.parametrize(
        ("error", "code", "status"),
        [
            (StageFailed("ValueError: no"), 1, "failed"),
            (StageFailed("no such column", exit_code=2), 2, "failed"),
            (StageFailed("no version", status="held", exit_code=3), 3, "held"),
            (errors.DataError("no such table"), 2, "failed"),
        ],
    )
    def test_a_failure_is_told_recorded_and_has_its_code(self, ending, capsys, error, code, status):
        def fail(values):
            raise error

        ended, record = ending(fail)
        assert (ended, record["status"]) == (code, status)
        assert str(error) in record["error"]
        told, *resume = capsys.readouterr().err.split("Go on from there: ")
        assert told == f"run_all.py: {error}\n"
        assert [error for _ in resume] == [error] * isinstance(error, StageFailed)

    def test_ctrl_c_is_recorded(self, ending, capsys):
        def interrupt(values):
            raise KeyboardInterrupt

        code, record = ending(interrupt)
        assert (code, record["status"]) == (130, "interrupted")
        assert "interrupted. What is done so far: " in capsys.readouterr().err

    @pytest.mark.parametrize("error", [StageFailed("ValueError: no"), KeyboardInterrupt()])
    def test_the_last_line_after_a_failure_or_ctrl_c_is_the_command_that_resumes(
        self, ending, given, tmp_path, capsys, monkeypatch, error
    ):
        def fail(values):
            raise error

        ending(fail)
        last = capsys.readouterr().err.splitlines()[-1]
        said, command = last.split(": ", 1)
        program, *arguments = shlex.split(command)
        assert said == "Go on from there" and (ROOT / program).exists()
        assert [ROOT / arguments[0], arguments[1]] == [ROOT / "run_all.py", "--resume"]
        asked = []

        def go_on(executions, values, record, progress, reuse):
            asked.append([one.label for one in executions])
            return dict(values)

        monkeypatch.setattr(running, "run", go_on)
        assert main(arguments[1:]) == 0
        assert asked == [["setup"]]  # the part of the chain that was asked for the first time
        (folder,) = (tmp_path / "runs").iterdir()
        state = json.loads((folder / "run.json").read_text())
        assert state["status"] == "succeeded" and "error" not in state and len(state["resumed"]) == 1

    def test_a_fault_of_the_program_itself_is_recorded_and_goes_on(self, ending, given, tmp_path):
        with pytest.raises(ZeroDivisionError):
            ending(lambda values: 1 / 0)
        (folder,) = (tmp_path / "runs").iterdir()
        record = json.loads((folder / "run.json").read_text())
        assert (record["status"], record["error"]) == ("failed", "ZeroDivisionError: division by zero")

    def test_every_code_there_is_has_a_meaning(self):
        def below(kind):
            return {kind.exit_code}.union(*map(below, kind.__subclasses__()))

        assert below(errors.MillraceError) | {0, 130} == EXIT_CODES.keys()


@pytest.mark.usefixtures("nothing_runs")
class TestResumeRefusing:
    @pytest.fixture
    def record(self, given, tmp_path, capsys):
        """A run that has failed at its first stage."""
        assert main([*given, "--dry-run"]) == 0
        values = contracts.checked(load([run._parameters.EXAMPLE], given[1::2]), notebooks.all_of())
        return RunRecord.new(tmp_path / "runs", "flights", values)

    @pytest.mark.parametrize(
        "other",
        [
            ["-p", "seed=7"],
            ["--params", "parameters/penguins.yaml"],
            ["--from", "train"],
            ["--to", "train"],
            ["--only", "train"],
        ],
    )
    def test_other_options_beside_it(self, record, capsys, other):
        record.close("failed")
        before = (record.folder / "run.json").read_text()
        assert main(["--resume", str(record.folder), *other]) == 2
        assert "--resume takes parameters and stages from the run itself" in capsys.readouterr().err
        assert (record.folder / "run.json").read_text() == before

    def test_a_folder_that_is_no_run(self, tmp_path, capsys):
        assert main(["--resume", str(tmp_path)]) == 2
        assert "is no folder of a run" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_a_run_that_goes_on(self, record, capsys):
        """Another process's lock is another file's test; here it is held by this one."""
        assert main(["--resume", str(record.folder)]) == 2
        assert f"process {os.getpid()} writes it" in capsys.readouterr().err

    def test_a_dry_run_of_it_shows_the_rest_and_changes_nothing(self, record, capsys):
        record.note(plan={"first": "evaluate"})
        record.close("failed")
        before = (record.folder / "run.json").read_text()
        capsys.readouterr()
        assert main(["--resume", str(record.folder), "--dry-run"]) == 0
        lines = capsys.readouterr().out.strip().splitlines()
        assert [line.split()[0] for line in lines[-2:]] == ["evaluate", "deploy"]
        assert (record.folder / "run.json").read_text() == before


class TestReuse:
    def test_it_is_made_only_where_it_is_asked_for(self, monkeypatch, given, capsys):
        got = []

        def note(executions, values, record, progress, reuse):
            got.append(reuse)
            return dict(values)

        monkeypatch.setattr(running, "run", note)
        assert main([*given, "--only", "setup"]) == main([*given, "--only", "setup", "--reuse"]) == 0
        assert got[0] is None and got[1].find("setup", {}) is None


class TestEndpoint:
    def test_status_of_one_that_was_never_deployed(self, given, capsys):
        assert main(["endpoint", "status", *given]) == 0
        assert capsys.readouterr().out.startswith("flights: ")

    def test_stopping_what_was_never_deployed_says_so_and_makes_nothing(self, given, capsys, tmp_path):
        assert main(["endpoint", "stop", *given]) == 2
        assert "There is no endpoint 'flights'" in capsys.readouterr().err
        assert not (tmp_path / "workspace" / "endpoints").exists()

    def test_the_only_one_there_is_need_not_be_named(self, given, capsys, tmp_path):
        os.makedirs(tmp_path / "workspace" / "endpoints" / "shop")
        assert main(["endpoint", "stop", *given]) == 0
        assert capsys.readouterr().out.startswith("shop: ")

    def test_status_names_every_one_of_the_workspace(self, given, capsys, tmp_path):
        for name in ("shop", "bank"):
            os.makedirs(tmp_path / "workspace" / "endpoints" / name)
        assert main(["endpoint", "status", *given]) == 0
        assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["bank", "shop"]

    @pytest.mark.parametrize("arguments", [["key"], ["logs"], ["stop", "flihgts"], ["status", "flihgts"]])
    def test_one_that_is_not_there_is_named_with_those_that_are(self, given, capsys, tmp_path, arguments):
        for name in ("flights-2", "shop"):
            os.makedirs(tmp_path / "workspace" / "endpoints" / name)
        assert main(["endpoint", *arguments, *given]) == 2
        said = capsys.readouterr().err
        assert f"There is no endpoint '{(arguments + ['flights'])[1]}' in the workspace" in said
        assert "Did you mean 'flights-2'?" in said
