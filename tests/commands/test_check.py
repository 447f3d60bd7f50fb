"""The command ``check``: parameters and notebooks against each other, without starting anything."""

import resource
import subprocess
import sys

import pytest

from lib import backends
from lib.commands import main
from lib.paths import ROOT

CPU_SECONDS = 2  # a limit for a busy machine; a quiet one takes less than one second


def test_success_prints_what_was_checked(capsys):
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("flights: all checks passed: ") and out.count("\n") == 1
    assert "6 notebooks, 8 outputs that are passed between notebooks. A run executes 8 notebooks." in out


def test_bundled_use_cases_pass(capsys):
    others = ("base", *backends.available())
    files = sorted(file for file in (ROOT / "parameters").glob("*.yaml") if file.stem not in others)
    assert [main(["check", "--params", str(file)]) for file in files] == [0] * len(files)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [file.stem for file in files]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["-p", "seed=one"], "seed (-p): got text ('one')"),
        (["-p", "sead=1"], "Did you mean 'seed'?"),
        (["-p", "data=nowhere.csv"], "data: There is no file nowhere.csv"),
        (["-p", "timeout_minutes.trian=5"], "trian"),
        (["-p", "retries.train=-1"], "retries"),
        (["-p", "max_parallel_notebooks=-2"], "max_parallel_notebooks"),
        (["-p", "hyperparameters.linear.regularization=2"], "Did you mean 'regularisation'?"),
    ],
)
def test_faults_exit_with_2(capsys, wrong, message):
    assert main(["check", *wrong]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.out == "" and "Traceback" not in output.err


def test_all_faults_are_reported_at_once(capsys):
    assert main(["check", "-p", "seed=one", "-p", "test_fraction=7", "-p", "sead=1"]) == 2
    assert "3 parameters cannot be used:" in capsys.readouterr().err


def test_check_writes_nothing(tmp_path, capsys):
    folders = ["-p", f"workspace={tmp_path / 'workspace'}", "-p", f"runs_folder={tmp_path / 'runs'}"]
    assert main(["check", *folders]) == 0
    assert list(tmp_path.iterdir()) == []


def test_check_is_quick():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = subprocess.run(
        [sys.executable, str(ROOT / "run_all.py"), "check", "--params", "parameters/flights.yaml"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < CPU_SECONDS
