"""Commands as messages print them."""

import shlex
import shutil
import subprocess
import sys

import pytest

from lib.invocation import command, python_program
from lib.paths import ROOT


@pytest.fixture
def in_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_python_of_the_environment_is_printed_relative(in_project, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv" / "bin" / "python"))
    assert command("endpoint", "stop", "shop") == ".venv/bin/python run_all.py endpoint stop shop"


def test_paths_in_the_project_are_printed_relative(in_project):
    assert command("--resume", ROOT / "runs" / "one").endswith(" run_all.py --resume runs/one")
    assert command("--resume", ROOT.parent / "other").endswith(f" --resume {ROOT.parent / 'other'}")


def test_elsewhere_all_paths_are_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv" / "bin" / "python"))
    words = command("--params", ROOT / "parameters" / "flights.yaml").split()
    expected = [".venv/bin/python", "run_all.py", "parameters/flights.yaml"]
    assert [words[0], words[1], words[3]] == [str(ROOT / path) for path in expected]


def test_first_python_on_the_path_is_printed_by_name(in_project, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/conda/bin/python")
    monkeypatch.setattr(shutil, "which", lambda name: "/opt/conda/bin/python")
    assert python_program() == "python"
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/python")
    assert python_program() == "/opt/conda/bin/python"


def test_arguments_are_quoted_for_the_shell(in_project):
    assert shlex.split(command("-p", "workspace=my folder"))[-1] == "workspace=my folder"


def test_a_printed_command_runs(in_project):
    finished = subprocess.run(shlex.split(command("--version")), capture_output=True, text=True, timeout=60)
    assert finished.stdout.startswith("Millrace ")
