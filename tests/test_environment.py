"""One lock, its groups, the conda environment made from it, and the Pythons that make accepts."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GROUPS = {"core": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
PYTHONS = ["3.11"]


class Pin(NamedTuple):
    """One entry of the lock: what is pinned, by which hashes, and what asked for it."""

    requirement: Requirement
    hashes: list[str]
    via: set[str]

    @property
    def version(self):
        return str(self.requirement.specifier).removeprefix("==")


@cache
def entries():
    """Read the lock; an entry is a requirement and the indented lines under it."""
    return [
        Pin(
            Requirement(entry.splitlines()[0].rstrip(" \\")),
            re.findall(r"--hash=(\S+)", entry),
            set(re.findall(r"^ +#(?: via|  ) ([\w.-]+)", entry, re.MULTILINE)),
        )
        for entry in re.findall(r"^[^#\s].*\n(?: .*\n)*", LOCK, re.MULTILINE)
    ]


def pins(python, system="linux"):
    """The pins that are valid for one Python on one system, by name."""
    here = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
    }
    valid = [pin for pin in entries() if pin.requirement.marker is None or pin.requirement.marker.evaluate(here)]
    named = {canonicalize_name(pin.requirement.name): pin for pin in valid}
    assert len(named) == len(valid), "two pins of one package are valid at once"
    return named


def asked_for(group, system="linux"):
    """The direct dependencies of a group."""
    wanted = map(Requirement, GROUPS[group])
    return {
        canonicalize_name(item.name): item
        for item in wanted
        if not item.marker or item.marker.evaluate({"sys_platform": system})
    }


def test_groups_are_all_there():
    assert set(GROUPS) == {"core", "azure", "automl", "monitor", "sources", "scale", "gpu", "dev", "docs"}


def test_every_direct_dependency_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text()
    for dependency in (name for group in GROUPS.values() for name in group):
        lines = re.findall(rf'^ +"{re.escape(dependency)}",(.*)', text, re.MULTILINE)
        assert lines, f"{dependency} does not stand on a line of its own"
        assert all(re.match(r"\s+# \S+ \S+", rest) for rest in lines), f"no reason beside {dependency}"


def test_every_pin_has_a_hash():
    assert [str(pin.requirement) for pin in entries() if not pin.version or not pin.hashes] == []


@pytest.mark.parametrize("file", ["requirements.lock", "environment.yml", "pyproject.toml", "Makefile"])
def test_no_host_is_named(file):
    assert "://" not in (ROOT / file).read_text()


@pytest.mark.parametrize("system", ["linux", "darwin"])
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("group", GROUPS)
def test_the_lock_holds_every_direct_dependency(group, python, system):
    pinned = pins(python, system)
    for name, wanted in asked_for(group, system).items():
        assert name in pinned, f"{name} is not in requirements.lock: run `make lock`"
        assert wanted.specifier.contains(pinned[name].version), f"{name} has changed: run `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_gpu_wheel_is_the_same_xgboost(python):
    pinned = pins(python)
    assert pinned["xgboost"].version == pinned["xgboost-cpu"].version


def test_the_conda_environment_is_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pinned = pins("3.11")
    needed, found = set(), asked_for("core").keys() | asked_for("azure").keys()
    while found:
        needed |= found
        found = {name for name, pin in pinned.items() if pin.via & needed} - needed
    assert environment["name"] == PROJECT["name"]
    assert environment["dependencies"][:2] == ["python=3.11", "pip"]
    assert environment["dependencies"][2]["pip"] == [f"{name}=={pinned[name].version}" for name in sorted(needed)]


def make(folder, *arguments):
    """Run the Makefile in an empty folder, as a newcomer would: knowing nothing of the make that runs the tests."""
    shutil.copy(ROOT / "Makefile", folder)
    clean = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "PYTHON"}}
    return subprocess.run(["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)


def fake_python(path, script):
    """Write a shell script that stands for a Python."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["3, 9, 19", "3, 12, 1"])
def test_make_says_in_one_line_why_a_python_will_not_do(tmp_path, version):
    python = fake_python(
        tmp_path / "python", f"""exec '{sys.executable}' -c "import sys; sys.version_info = ({version}); $2" """
    )
    made = make(tmp_path, "run", f"PYTHON={python}")
    assert made.returncode != 0
    assert made.stdout == ""
    assert len(made.stderr.splitlines()) == 1
    assert "azureml-train-automl-client needs Python < 3.12" in made.stderr
    assert "pyenv install 3.11" in made.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_passes_over_a_python_that_does_not_run(tmp_path):
    shim = fake_python(tmp_path / "shim", "exit 127")
    real = fake_python(tmp_path / "real", f"exec '{sys.executable}' \"$@\"")
    assert f"{real} -m venv" in make(tmp_path, "--dry-run", "run", f"PYTHON={shim} {real}").stdout
