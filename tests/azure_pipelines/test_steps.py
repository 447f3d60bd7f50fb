"""The script steps of the check stage and of the chain stage, run as they are in a copy of the repository.

Each job starts where an agent would: with the files of the repository, and whatever its own steps install. The chain
stage runs with a profile of a laptop in place of Azure's, and the recorded outputs of Terraform.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.azure_pipelines.lint import command_of, expanded, jobs_of, steps_of

ROOT = Path(__file__).parents[2]
INSIDE = "MILLRACE_INSIDE_A_STEP"  # the step `make test` must not run the steps again
MINUTES = 90
PIPELINE = expanded(ROOT)
JOBS = {
    f"{stage}-{job['job']}": job
    for stage, job in jobs_of(PIPELINE)
    if stage in ("check", "chain_dev")  # the chain stages of the others differ in names alone
}
VARIABLES = {one["name"]: one["value"] for one in PIPELINE["variables"]}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(MINUTES * 60),
    pytest.mark.skipif(INSIDE in os.environ, reason="this run is itself a step of the pipeline"),
]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """Folder of an agent: a copy of the repository, and beside it the artifacts that the job takes."""
    folder = tmp_path_factory.mktemp("agent")
    kept = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(kept, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for file in filter(None, files):
        if (ROOT / file).is_file():  # a file deleted and not yet committed is listed too
            (folder / "s" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / "s" / file)
    if terraform := shutil.which("terraform"):  # the download is the one thing that is not tried
        (folder / "s/infra/.bin").mkdir()
        shutil.copy(terraform, folder / "s/infra/.bin/terraform")
    (folder / "outputs-dev").mkdir()
    shutil.copy(ROOT / "tests/infra/outputs.json", folder / "outputs-dev/dev.json")
    (folder / "laptop.yaml").write_text("backend: local\n")
    yield folder
    program = folder / "s/.venv/bin/python"
    subprocess.run([program, "run_all.py", "endpoint", "stop"], cwd=folder / "s", capture_output=True, timeout=60)


def filled(command, agent):
    """A command with its variables, as the agent fills them in."""
    values = {**VARIABLES, "profile": str(agent / "laptop.yaml"), "Pipeline.Workspace": str(agent)}
    return re.sub(r"\$\(([\w.]+)\)", lambda found: values[found[1]], command)


def run(command, folder):
    """Run a step in a process group of its own; whatever it left when its time is over is ended."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MAKE", "COV_"))}
    step = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env={**clean, INSIDE: "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return step.communicate(timeout=MINUTES * 60)[0], step.returncode
    finally:
        if step.returncode is None:
            os.killpg(step.pid, signal.SIGKILL)


@pytest.mark.parametrize("name", JOBS)
def test_every_step_of_the_job_works(agent, name):
    commands = [filled(command_of(step), agent) for step in steps_of(JOBS[name]) if command_of(step)]
    assert commands
    for command in commands:
        said, code = run(command, agent / "s")
        assert code == 0, f"{command}\n{said[-6000:]}"
        print(f"$ {command}\n{said[-300:]}")
    kept = [step["publish"] for step in steps_of(JOBS[name]) if "publish" in step]
    assert all(any((agent / "s" / folder).iterdir()) for folder in kept)
