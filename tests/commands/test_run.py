"""The command line and the command ``run``: output, refusals, speed and exit codes."""

import json
import os
import resource
import shlex
import subprocess
import sys

import pytest
import yaml

from lib import errors
from lib.chain import contracts, notebooks, running
from lib.chain.failures import StageFailed
from lib.chain.record import RunRecord
from lib.commands import EXIT_CODES, _arguments, main, version
from lib.invocation import python_program
from lib.parameters import load
from lib.paths import ROOT

HEAVY = ("pandas", "sklearn", "mlflow", "papermill", "scrapbook", "matplotlib", "pyarrow", "nbformat")
CPU_SECONDS = 2
FLIGHTS = ["--params", "parameters/flights.yaml"]


@pytest.fixture
def folders(tmp_path):
    """Return arguments that put workspace and runs into the test's folder."""
    return ["-p", f"workspace={tmp_path / 'workspace'}", "-p", f"runs_folder={tmp_path / 'runs'}"]


class TestProgram:
    @staticmethod
    def run(*arguments):
        """Run the program; return its exit code, output, errors and CPU seconds."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        finished = subprocess.run(
            [sys.executable, str(ROOT / "run_all.py"), *arguments], capture_output=True, text=True, timeout=60
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return finished.returncode, finished.stdout, finished.stderr, seconds

    def test_dry_run_shows_parameters_and_notebooks_at_once(self, folders):
        code, out, err, seconds = self.run(*FLIGHTS, "--dry-run", *folders)
        assert (code, err) == (0, "")
        assert "target_column: late\n" in out
        assert [line.strip().split("  ")[0] for line in out.strip().splitlines()[-8:]] == [
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

    def test_all_parameter_faults_are_reported_at_once(self, folders):
        wrong = ["-p", "seed=one", "-p", "test_fraction=7", "-p", "trask=binary", "-p", "data=nowhere.csv"]
        code, out, err, seconds = self.run(*FLIGHTS, *folders, *wrong)
        assert (code, out) == (2, "")
        assert err.startswith("run_all.py: 3 parameters cannot be used:\n")
        for message in ("seed (-p): got text ('one')", "test_fraction (-p): 7.0 is out", "Did you mean 'task'?"):
            assert message in err
        assert seconds < CPU_SECONDS


def test_checking_imports_nothing_heavy(tmp_path):
    script = (
        "import sys\nfrom lib.commands import main\n"
        f"codes = main(['--dry-run']), main(['-p', 'seed=one'])\n"
        f"print(codes, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert finished.stderr.splitlines()[-1] == "(0, 2) []"


def test_closed_output_is_no_error():
    program = f"{shlex.quote(sys.executable)} run_all.py --dry-run {' '.join(FLIGHTS)} | head -n 1"
    finished = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (finished.stdout.count("\n"), finished.stderr) == (1, "")


class TestOutsideTheEnvironment:
    """``python run_all.py`` without the project's packages."""

    @staticmethod
    def run(code):
        program = f"{code}\nimport runpy\nrunpy.run_path({str(ROOT / 'run_all.py')!r}, run_name='__main__')"
        # -S hides the installed packages, as a Python without them would.
        return subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, timeout=60)

    def test_missing_packages_are_explained_in_one_line(self):
        finished = self.run("import sys\nsys.argv = ['run_all.py', '--dry-run']")
        assert (finished.returncode, finished.stdout) == (2, "")
        (line,) = finished.stderr.splitlines()
        assert line.startswith("run_all.py: ") and "lacks the package yaml" in line
        assert ".venv/bin/python" in line

    def test_old_python_is_explained_in_one_line(self):
        finished = self.run("import sys\nsys.version_info = (3, 9, 1)")
        assert (finished.returncode, finished.stdout) == (2, "")
        (line,) = finished.stderr.splitlines()
        assert "is Python 3.9, and Millrace needs 3.11 or newer" in line


def test_version_is_the_one_of_the_project(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"Millrace {version()}\n"
    assert version()[0].isdigit()


@pytest.fixture
def nothing_runs(monkeypatch):
    """Make the test fail if a notebook would be started."""

    def run(*arguments):
        pytest.fail("a notebook was started")

    monkeypatch.setattr(running, "run", run)


@pytest.mark.usefixtures("nothing_runs")
class TestRefusals:
    @pytest.mark.parametrize(
        ("wrong", "message"),
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
            (["--resume", "runs/20260101-000000-none"], "uses the parameters and stages of the run that it continues"),
        ],
    )
    def test_unusable_input_exits_with_2_and_writes_nothing(self, folders, tmp_path, capsys, wrong, message):
        assert main([*folders, *wrong]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert "run_all.py: " in err and "Traceback" not in err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--unknown"], "unknown option --unknown"),
            (["--dryrun"], "unknown option --dryrun. Did you mean --dry-run?"),
            (["--resme=runs/x"], "unknown option --resme. Did you mean --resume?"),
            (["doktor"], "there is no command 'doktor'. Did you mean 'doctor'?"),
            (["--dry-run", "extra"], "unexpected argument 'extra'. A command comes first"),
            (["endpoint"], "the following arguments are required: {status,stop,"),
            (["endpoint", "stauts"], "there is no action 'stauts'. Did you mean 'status'?"),
            (["endpoint", "stop", "--percnet", "5"], "unknown option --percnet. Did you mean --percent?"),
        ],
    )
    def test_unknown_arguments_get_a_suggestion(self, arguments, message, capsys):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2
        err = capsys.readouterr().err
        assert "usage: run_all.py" in err and message in err

    def test_dry_run_writes_nothing(self, folders, tmp_path, capsys):
        assert main([*folders, "--dry-run", "--only", "train"]) == 0
        assert "train linear" in capsys.readouterr().out
        assert list(tmp_path.iterdir()) == []


class TestUseCaseNotice:
    NOTICE = "No --params given: using parameters/flights.yaml (use case flights)."

    @pytest.mark.parametrize("arguments", [["--dry-run"], ["check"], pytest.param(["why"], marks=pytest.mark.slow)])
    def test_commands_name_the_example_they_use(self, folders, capsys, arguments):
        assert main([*arguments, *folders]) == 0
        assert capsys.readouterr().err.splitlines()[0] == self.NOTICE

    def test_no_notice_if_params_names_the_use_case(self, folders, capsys):
        assert main(["check", *FLIGHTS, *folders]) == 0
        assert capsys.readouterr().err == ""


class TestDryRun:
    def test_changed_parameters_come_before_defaults(self, folders, capsys):
        assert main([*FLIGHTS, "-p", "seed=7", *folders, "--dry-run"]) == 0
        changed, defaults, notebooks_ = capsys.readouterr().out.split("\n\n")
        assert changed.startswith("Different from parameters/base.yaml:\n  name: flights\n")
        assert "  seed: 7   # default: 42\n" in changed and "  target_column: late\n" in changed
        assert defaults.startswith("Unchanged from parameters/base.yaml:\n")
        assert "  smoke_rows: 20\n" in defaults and "\n  seed:" not in defaults and ": late\n" not in defaults
        assert notebooks_.startswith("Notebooks to execute: 8\n")

    @pytest.mark.parametrize("command", [["--dry-run"], ["doctor"]])
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ("target_column=Specie", "target_column: data/penguins_raw.csv has no column 'Specie'. Did you mean 'Spec"),
            ("drop_columns=[Comment]", "drop_columns: data/penguins_raw.csv has no column 'Comment'. Did you mean 'C"),
            ("key_columns=[studyname]", "key_columns: data/penguins_raw.csv has no column 'studyname'. Did you mean"),
        ],
    )
    def test_column_names_are_checked_against_the_header(self, folders, capsys, command, wrong, message):
        code = main([*command, "--params", "parameters/penguins.yaml", "-p", wrong, *folders])
        output = capsys.readouterr()
        assert message in output.out + output.err
        assert code == (1 if command == ["doctor"] else 2)


class TestRunning:
    """The end of a run; the notebooks are replaced by a function."""

    @pytest.fixture
    def run_with(self, monkeypatch, folders, tmp_path):
        """Run with a replacement for the notebooks; return exit code and record."""

        def run(replacement):
            monkeypatch.setattr(running, "run", lambda executions, values, record, progress, reuse: replacement(values))
            code = main([*FLIGHTS, *folders, "--only", "setup"])
            (folder,) = (file.parent for file in (tmp_path / "runs").glob("*/run.json"))
            return code, json.loads((folder / "run.json").read_text())

        return run

    def test_success_shows_decision_and_notebooks(self, run_with, capsys):
        code, record = run_with(lambda values: {**values, "decision": "linear goes to production."})
        assert (code, record["status"]) == (0, "succeeded")
        out = capsys.readouterr().out
        assert "linear goes to production." in out
        assert "Executed notebooks: " in out
        assert "curl" not in out

    def test_success_shows_how_to_call_and_stop_the_endpoint(self, run_with, capsys, tmp_path):
        sample = tmp_path / "sample.json"
        sample.write_text("{}")
        served = {"endpoint_url": "http://127.0.0.1:5001/score", "sample_request": sample.as_uri()}
        run_with(lambda values: {**values, **served})
        out = capsys.readouterr().out
        where = f"flights -p workspace={tmp_path / 'workspace'}"
        assert "Endpoint: http://127.0.0.1:5001/score\n" in out
        assert "curl -s http://127.0.0.1:5001/score" in out
        assert f"run_all.py endpoint key {where})" in out
        assert f"-d @{sample}" in out
        assert f"Stop it:\n  {python_program()} run_all.py endpoint stop {where}\n" in out

    @pytest.mark.parametrize(
        ("error", "code", "status"),
        [
            (StageFailed("ValueError: no"), 1, "failed"),
            (StageFailed("no such column", exit_code=2), 2, "failed"),
            (StageFailed("no version", status="held", exit_code=3), 3, "held"),
            (errors.DataError("no such table"), 2, "failed"),
        ],
    )
    def test_failure_is_printed_and_recorded(self, run_with, capsys, error, code, status):
        def fail(values):
            raise error

        exit_code, record = run_with(fail)
        assert (exit_code, record["status"]) == (code, status)
        assert str(error) in record["error"]
        message, *resume = capsys.readouterr().err.split("Continue from there: ")
        assert message == f"run_all.py: {error}\n"
        assert len(resume) == isinstance(error, StageFailed)

    def test_ctrl_c_is_recorded(self, run_with, capsys):
        def interrupt(values):
            raise KeyboardInterrupt

        code, record = run_with(interrupt)
        assert (code, record["status"]) == (130, "interrupted")
        assert "interrupted. The finished notebooks are in " in capsys.readouterr().err

    @pytest.mark.parametrize("error", [StageFailed("ValueError: no"), KeyboardInterrupt()])
    def test_last_line_after_a_failure_is_the_command_to_resume(self, run_with, tmp_path, capsys, monkeypatch, error):
        def fail(values):
            raise error

        run_with(fail)
        last = capsys.readouterr().err.splitlines()[-1]
        intro, command = last.split(": ", 1)
        program, *arguments = shlex.split(command)
        assert intro == "Continue from there" and (ROOT / program).exists()
        assert [ROOT / arguments[0], arguments[1]] == [ROOT / "run_all.py", "--resume"]
        labels = []

        def resume(executions, values, record, progress, reuse):
            labels.append([execution.label for execution in executions])
            return dict(values)

        monkeypatch.setattr(running, "run", resume)
        assert main(arguments[1:]) == 0
        assert labels == [["setup"]]  # the stages of the first call
        (folder,) = (file.parent for file in (tmp_path / "runs").glob("*/run.json"))
        state = json.loads((folder / "run.json").read_text())
        assert state["status"] == "succeeded" and "error" not in state and len(state["resumed"]) == 1

    def test_unexpected_errors_are_recorded_and_raised(self, run_with, folders, tmp_path):
        with pytest.raises(ZeroDivisionError):
            run_with(lambda values: 1 / 0)
        (folder,) = (file.parent for file in (tmp_path / "runs").glob("*/run.json"))
        record = json.loads((folder / "run.json").read_text())
        assert (record["status"], record["error"]) == ("failed", "ZeroDivisionError: division by zero")

    def test_parameters_are_saved_without_yaml_aliases(self, run_with, tmp_path):
        run_with(dict)
        (folder,) = (file.parent for file in (tmp_path / "runs").glob("*/run.json"))
        text = (folder / "parameters.yaml").read_text()
        assert "&id" not in text and "*id" not in text
        assert yaml.safe_load(text)["name"] == "flights"

    def test_every_exit_code_has_a_description(self):
        def codes(error):
            return {error.exit_code}.union(*map(codes, error.__subclasses__()))

        assert codes(errors.MillraceError) | {0, 4, 5, 130} == EXIT_CODES.keys()


@pytest.mark.usefixtures("nothing_runs")
class TestResume:
    @pytest.fixture
    def record(self, folders, tmp_path, capsys):
        """Return the record of an unfinished run."""
        assert main([*folders, "--dry-run"]) == 0
        values = contracts.resolve_parameters(load([_arguments.EXAMPLE], folders[1::2]), notebooks.read_all())
        capsys.readouterr()
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
    def test_other_options_are_refused(self, record, capsys, other):
        record.close("failed")
        before = (record.folder / "run.json").read_text()
        assert main(["--resume", str(record.folder), *other]) == 2
        assert "--resume uses the parameters and stages of the run that it continues" in capsys.readouterr().err
        assert (record.folder / "run.json").read_text() == before

    def test_folder_without_a_run_is_refused(self, tmp_path, capsys):
        assert main(["--resume", str(tmp_path)]) == 2
        assert f"{tmp_path} is not the folder of a run" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_missing_run_lists_the_newest_that_can_be_resumed(self, record, tmp_path, capsys):
        record.close("failed")
        RunRecord.new(tmp_path / "runs", "done", {}).close("succeeded")
        missing = tmp_path / "runs" / "nosuch"
        assert main(["--resume", str(missing)]) == 2
        err = capsys.readouterr().err
        assert f"There is no run {missing}. The newest runs that can be resumed:\n  {record.folder}  (failed)\n" in err
        assert "Errno" not in err and "done" not in err

    def test_missing_run_beside_no_other_says_so(self, tmp_path, capsys):
        assert main(["--resume", str(tmp_path / "nosuch")]) == 2
        assert f"{tmp_path} contains no run that can be resumed." in capsys.readouterr().err

    def test_run_that_is_still_going_on_is_refused(self, record, capsys):
        assert main(["--resume", str(record.folder)]) == 2
        assert f"still going on in process {os.getpid()}" in capsys.readouterr().err

    def test_dry_run_shows_the_rest_and_changes_nothing(self, record, capsys):
        record.note(plan={"first": "evaluate"})
        record.close("failed")
        before = (record.folder / "run.json").read_text()
        assert main(["--resume", str(record.folder), "--dry-run"]) == 0
        lines = capsys.readouterr().out.strip().splitlines()
        assert [line.split()[0] for line in lines[-2:]] == ["evaluate", "deploy"]
        assert (record.folder / "run.json").read_text() == before


def test_reuse_is_used_only_if_requested(monkeypatch, folders, capsys):
    received = []

    def run(executions, values, record, progress, reuse):
        received.append(reuse)
        return dict(values)

    monkeypatch.setattr(running, "run", run)
    assert main([*folders, "--only", "setup"]) == main([*folders, "--only", "setup", "--reuse"]) == 0
    assert received[0] is None and received[1].find("setup", {}) is None


def test_tables_of_users_in_data_are_ignored_by_git():
    ignored = subprocess.run(
        ["git", "check-ignore", "data/mine.csv", "data/mine/part.parquet", "data/flights.csv.gz", "data/README.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if ignored.returncode > 1:
        pytest.skip("not a git checkout")
    assert ignored.stdout.splitlines() == ["data/mine.csv", "data/mine/part.parquet"]
