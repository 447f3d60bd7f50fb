"""The lock, its groups, the conda environment, the supported Pythons, and a copied checkout."""

import json
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
PYTHONS = ["3.11", "3.12", "3.13"]
PREFIX = Path(sys.prefix)


class Pin(NamedTuple):
    """One entry of the lock: a pinned requirement, its hashes and the packages that depend on it."""

    requirement: Requirement
    hashes: list[str]
    via: set[str]

    @property
    def version(self):
        return str(self.requirement.specifier).removeprefix("==")


@cache
def entries():
    """Parse the lock. An entry is a requirement followed by indented lines."""
    return [
        Pin(
            Requirement(entry.splitlines()[0].rstrip(" \\")),
            re.findall(r"--hash=(\S+)", entry),
            set(re.findall(r"^ +#(?: via|  ) ([\w.-]+)", entry, re.MULTILINE)),
        )
        for entry in re.findall(r"^[^#\s].*\n(?: .*\n)*", LOCK, re.MULTILINE)
    ]


def pins(python, system="linux"):
    """Return the pins that apply to one Python version on one system, by package name."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
    }
    valid = [pin for pin in entries() if pin.requirement.marker is None or pin.requirement.marker.evaluate(environment)]
    named = {canonicalize_name(pin.requirement.name): pin for pin in valid}
    assert len(named) == len(valid), "two pins of the same package apply at once"
    return named


def direct_dependencies(group, system="linux", python="3.11"):
    """Return the direct dependencies of a group on one system and Python version, by package name."""
    requirements = map(Requirement, GROUPS[group])
    return {
        canonicalize_name(requirement.name): requirement
        for requirement in requirements
        if not requirement.marker or requirement.marker.evaluate({"sys_platform": system, "python_version": python})
    }


def test_all_dependency_groups_are_listed():
    assert set(GROUPS) == {"core", "azure", "azure-v1", "automl", "monitor", "sources", "scale", "gpu", "dev", "docs"}


def test_every_direct_dependency_has_a_comment():
    text = (ROOT / "pyproject.toml").read_text()
    for dependency in (name for group in GROUPS.values() for name in group):
        lines = re.findall(rf'^ +"{re.escape(dependency)}",(.*)', text, re.MULTILINE)
        assert lines, f"{dependency} is not on its own line"
        assert all(re.match(r"\s+# \S+ \S+", rest) for rest in lines), f"{dependency} has no comment that explains it"


def test_every_pin_has_a_hash():
    assert [str(pin.requirement) for pin in entries() if not pin.version or not pin.hashes] == []


@pytest.mark.parametrize("file", ["requirements.lock", "environment.yml", "pyproject.toml", "Makefile"])
def test_environment_files_contain_no_url(file):
    assert "://" not in (ROOT / file).read_text()


@pytest.mark.parametrize("system", ["linux", "darwin"])
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("group", GROUPS)
def test_lock_satisfies_every_direct_dependency(group, python, system):
    pinned = pins(python, system)
    for name, requirement in direct_dependencies(group, system, python).items():
        assert name in pinned, f"{name} is not in requirements.lock: run `make lock`"
        assert requirement.specifier.contains(pinned[name].version), f"{name} has changed: run `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
def test_gpu_and_cpu_xgboost_have_the_same_version(python):
    pinned = pins(python)
    assert pinned["xgboost"].version == pinned["xgboost-cpu"].version


def test_conda_environment_matches_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pinned = pins("3.11")
    needed, added = set(), {name for group in ("core", "azure", "azure-v1") for name in direct_dependencies(group)}
    while added:
        needed |= added
        added = {name for name, pin in pinned.items() if pin.via & needed} - needed
    assert environment["name"] == PROJECT["name"]
    assert environment["dependencies"][:2] == ["python=3.11", "pip"]
    assert environment["dependencies"][2]["pip"] == [f"{name}=={pinned[name].version}" for name in sorted(needed)]


def make(folder, *arguments):
    """Run the Makefile in an empty folder, without the variables of the make that runs the tests."""
    shutil.copy(ROOT / "Makefile", folder)
    clean = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "PYTHON"}}
    return subprocess.run(["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)


def fake_python(path, script):
    """Write a shell script that acts as a Python interpreter."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["3, 9, 19", "3, 10, 1", "3, 14, 0"])
def test_make_explains_an_unsupported_python_in_one_line(tmp_path, version):
    python = fake_python(
        tmp_path / "python", f"""exec '{sys.executable}' -c "import sys; sys.version_info = ({version}); $2" """
    )
    made = make(tmp_path, "run", f"PYTHON={python}")
    assert made.returncode != 0
    assert made.stdout == ""
    assert len(made.stderr.splitlines()) == 1
    assert "no Python 3.11, 3.12 or 3.13 with its venv module found" in made.stderr
    assert "pyenv install 3.11" in made.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_skips_a_python_that_does_not_run(tmp_path):
    shim = fake_python(tmp_path / "shim", "exit 127")
    real = fake_python(tmp_path / "real", f"exec '{sys.executable}' \"$@\"")
    assert f"{real} -m venv" in make(tmp_path, "--dry-run", "run", f"PYTHON={shim} {real}").stdout


def test_documented_pythons_are_the_supported_ones():
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert "Python 3.11, 3.12 or 3.13" in (ROOT / "README.md").read_text()
    pipeline = yaml.safe_load((ROOT / "azure-pipelines.yml").read_text())
    assert {"name": "pythonVersion", "value": PYTHONS[0]} in pipeline["variables"]


@pytest.fixture(scope="module")
def copied_checkout(tmp_path_factory):
    """Copy the checkout with its environment, as `cp -a` would.

    The environment has tens of thousands of files, so packages are linked. Everything that can contain the path of the
    original checkout is copied: the .pth files, the package's own metadata and the configuration of the environment.
    """
    if PREFIX != ROOT / ".venv":
        pytest.skip("the tests do not run in this checkout's own environment")
    copy = tmp_path_factory.mktemp("copied") / "millrace"
    ignored = shutil.ignore_patterns(".*", "runs", "workspace", "build", "site", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=ignored)
    packages = Path(pytest.__file__).parents[1]
    copied_packages = copy / packages.relative_to(ROOT)
    copied_packages.mkdir(parents=True)
    for entry in packages.iterdir():
        if entry.suffix == ".pth":
            shutil.copy(entry, copied_packages)
        elif entry.name.startswith("millrace"):
            shutil.copytree(entry, copied_packages / entry.name)
        else:
            (copied_packages / entry.name).symlink_to(entry)
    (copy / ".venv/bin").mkdir()
    (copy / ".venv/bin/python").symlink_to(Path(sys.executable).resolve())
    (copy / ".venv/share").symlink_to(PREFIX / "share")
    shutil.copy(PREFIX / "pyvenv.cfg", copy / ".venv")
    return copy


def run_in_copy(copy, folder, code):
    """Run code with the copy's Python in one of its folders, and return the last line of its output."""
    command = [copy / ".venv/bin/python", "-c", code]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=copy / folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]


@pytest.mark.parametrize("folder", [".", "notebooks", "tests/tables", "/"])
def test_copied_checkout_imports_its_own_code(copied_checkout, folder):
    imported = run_in_copy(copied_checkout, folder, "import lib.paths; print(lib.paths.ROOT)")
    assert Path(imported) == copied_checkout


def test_copied_checkout_uses_its_own_papermill_engine(copied_checkout):
    code = """
import importlib.metadata, sys
importlib.metadata.entry_points(group="papermill.engine")["millrace"].load()
print(sys.modules["lib.chain.papermill_entry"].__file__)
"""
    assert Path(run_in_copy(copied_checkout, "notebooks", code)).is_relative_to(copied_checkout)


def test_kernel_of_a_copied_checkout_imports_its_code(copied_checkout):
    code = """
import json
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
try:
    reply = client.execute_interactive(
        "", user_expressions={"root": "str(__import__('lib.paths').paths.ROOT)"}, silent=True, timeout=60
    )
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print(json.dumps(reply["content"]["user_expressions"]["root"]["data"]))
"""
    shown = json.loads(run_in_copy(copied_checkout, "notebooks", code))["text/plain"]
    assert Path(shown.strip("'")) == copied_checkout
