"""The check: everything is held against everything, at once, and nothing is started."""

import resource
import subprocess
import sys

import pytest

from lib import backends
from lib.commands import main
from lib.paths import ROOT

CPU_SECONDS = 2  # as of the other commands; the goal is one on a quiet machine


def test_what_fits_is_said_with_its_numbers(capsys):
    assert main(["check"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("flights: ") and said.count("\n") == 1
    assert "6 notebooks and the 8 outputs they hand on fit together; a run executes 8 notebooks." in said


def test_every_use_case_can_be_checked(capsys):
    no_use_case = ("base", *backends.available())
    files = sorted(file for file in (ROOT / "parameters").glob("*.yaml") if file.stem not in no_use_case)
    assert [main(["check", "--params", str(file)]) for file in files] == [0] * len(files)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [file.stem for file in files]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["-p", "seed=one"], "seed (-p): got text ('one')"),
        (["-p", "sead=1"], "Did you mean 'seed'?"),
        (["-p", "data=nowhere.csv"], "data: There is no file nowhere.csv"),
        (["-p", "timeout_minutes.trian=5"], "trian"),
        (["-p", "retries.train=-1"], "retries"),
        (["-p", "max_parallel=-2"], "max_parallel"),
        (["-p", "hyperparameters.linear.regularization=2"], "Did you mean 'regularisation'?"),
    ],
)
def test_what_does_not_is_told_with_code_2(capsys, wrong, said):
    assert main(["check", *wrong]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and shown.out == "" and "Traceback" not in shown.err


def test_all_faults_come_at_once(capsys):
    assert main(["check", "-p", "seed=one", "-p", "test_fraction=7", "-p", "sead=1"]) == 2
    assert "3 parameters cannot be used:" in capsys.readouterr().err


def test_it_makes_no_folder(tmp_path, capsys):
    places = ["-p", f"workspace={tmp_path / 'workspace'}", "-p", f"runs_folder={tmp_path / 'runs'}"]
    assert main(["check", *places]) == 0
    assert list(tmp_path.iterdir()) == []


def test_as_a_program_it_is_quick():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_all.py"), "check"], capture_output=True, text=True, timeout=120
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stderr) == (0, "")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < CPU_SECONDS
