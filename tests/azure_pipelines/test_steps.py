"""The script steps of the check stage and of the chain stage, run as they are in a copy of the repository.

Each job starts like on an agent: with the files of the repository and the packages that its own steps install. The
chain stage runs with a laptop profile instead of Azure's, and with the recorded Terraform outputs.
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
INSIDE = "MILLRACE_INSIDE_A_STEP"  # keeps the `make test` step from running the steps recursively
MINUTES = 90
PIPELINE = expanded(ROOT)
JOBS = {
    f"{stage}-{job['job']}": job
    for stage, job in jobs_of(PIPELINE)
    if stage in ("check", "chain_dev")  # the chain stages of other environments differ only in names
}
VARIABLES = {variable["name"]: variable["value"] for variable in PIPELINE["variables"]}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(MINUTES * 60),
    pytest.mark.skipif(INSIDE in os.environ, reason="this run is itself a step of the pipeline"),
]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """Return the working folder of an agent: a copy of the repository, and the artifacts that the job downloads."""
    folder = tmp_path_factory.mktemp("agent")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for file in filter(None, files):
        if (ROOT / file).is_file():  # git also lists files whose deletion is not committed yet
            (folder / "s" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / "s" / file)
    if terraform := shutil.which("terraform"):  # only the download is not tested
        (folder / "s/infra/.bin").mkdir()
        shutil.copy(terraform, folder / "s/infra/.bin/terraform")
    (folder / "outputs-dev").mkdir()
    shutil.copy(ROOT / "tests/infra/outputs.json", folder / "outputs-dev/dev.json")
    (folder / "laptop.yaml").write_text("backend: local\n")
    yield folder
    program = folder / "s/.venv/bin/python"
    subprocess.run([program, "run_all.py", "endpoint", "stop"], cwd=folder / "s", capture_output=True, timeout=60)


def substitute_variables(command, agent):
    """Return a command with its variables replaced, as the agent does."""
    values = {**VARIABLES, "profile": str(agent / "laptop.yaml"), "Pipeline.Workspace": str(agent)}
    return re.sub(r"\$\(([\w.]+)\)", lambda match: values[match[1]], command)


def run(command, folder):
    """Run a step in its own process group; kill the group after the time-out."""
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
    commands = [substitute_variables(command_of(step), agent) for step in steps_of(JOBS[name]) if command_of(step)]
    assert commands
    for command in commands:
        output, code = run(command, agent / "s")
        assert code == 0, f"{command}\n{output[-6000:]}"
        print(f"$ {command}\n{output[-300:]}")
    published = [step["publish"] for step in steps_of(JOBS[name]) if "publish" in step]
    assert all(any((agent / "s" / folder).iterdir()) for folder in published)
