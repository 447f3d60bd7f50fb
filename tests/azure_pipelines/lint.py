"""Lint a pipeline for mistakes that the schema does not find and Azure DevOps would refuse."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.azure_pipelines.expansion import RUNTIME, PipelineError, Template, function_names

# Images of Azure Pipelines; see https://github.com/actions/runner-images
IMAGES = {"ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04", "windows-latest", "windows-2025", "windows-2022"}
IMAGES |= {"macOS-latest", "macOS-15", "macOS-14"}
POOL_KEYS = {"vmImage", "name", "demands"}
BUILT_IN = {"AzureCLI", "PublishTestResults", "UsePythonVersion"}
STEP_KINDS = {"script", "task", "checkout", "publish", "download"}
SECRET = re.compile(r"password|secret|token|key$", re.I)
COMMAND = re.compile(r"make (-C infra )?([a-z-]+)|\.venv/bin/python run_all\.py|echo \"##vso\[task\.uploadsummary\]")


def expanded(root: Path) -> dict:
    """Return the expanded pipeline of a folder."""
    return Template(root / "azure-pipelines.yml").expanded()


def jobs_of(pipeline: dict) -> Iterator[tuple[str, dict]]:
    """Yield the stage name and the content of each job."""
    for stage in pipeline["stages"]:
        for job in stage["jobs"]:
            yield stage["stage"], job


def steps_of(job: dict) -> list[dict]:
    """Return the steps of a job or deployment."""
    return job["steps"] if "steps" in job else job["strategy"]["runOnce"]["deploy"]["steps"]


def command_of(step: dict) -> str:
    """Return the command that a step runs; empty if it runs none."""
    return step.get("script") or step.get("inputs", {}).get("inlineScript", "")


def faults(root: Path) -> list[str]:
    """Return one sentence for each mistake in the pipeline of a folder."""
    try:
        pipeline = expanded(root)
    except PipelineError as error:
        return [str(error)]
    messages = [*_stages(pipeline), *_variables(pipeline)]
    for stage, job in jobs_of(pipeline):
        messages += [f"{stage}: {fault}" for fault in [*_job(job, pipeline["pool"]), *_steps(steps_of(job), root)]]
    return messages + _artifacts(pipeline)


def _stages(pipeline: dict) -> Iterator[str]:
    names = [stage["stage"] for stage in pipeline["stages"]]
    if len(names) != len(set(names)):
        yield "two stages have the same name"
    for position, stage in enumerate(pipeline["stages"]):
        after = stage.get("dependsOn", names[position - 1 : position])
        after = [after] if isinstance(after, str) else after
        for name in set(after) - set(names):
            yield f"{stage['stage']} depends on {name}, which is not a stage"
        yield from _condition(stage)
        for name in re.findall(r"dependencies\.(\w+)\.", stage.get("condition", "")):
            if name not in after:
                yield f"{stage['stage']} uses the result of {name} but does not depend on it"


def _condition(node: dict) -> Iterator[str]:
    for name in function_names(node.get("condition", "")) - RUNTIME:
        yield f"{name} in a condition is not a function"


def _variables(pipeline: dict) -> Iterator[str]:
    for variable in pipeline["variables"]:
        if SECRET.search(variable["name"]):
            yield f"variable {variable['name']} sounds like a secret"


def _job(job: dict, default_pool: dict) -> Iterator[str]:
    pool = job.get("pool", default_pool)
    for key in pool.keys() - POOL_KEYS:
        yield f"{key} is not a key of a pool"
    if "vmImage" in pool and pool["vmImage"] not in IMAGES:
        yield f"{pool['vmImage']} is not an image of Azure Pipelines"
    if "deployment" in job and not job.get("environment"):
        yield f"deployment {job['deployment']} has no environment, so it needs no approval"


def _steps(steps: list[dict], root: Path) -> Iterator[str]:
    targets = {
        prefix: set(re.findall(r"^([a-z-]+):", (root / file).read_text(), re.M))
        for prefix, file in (("", "Makefile"), ("-C infra ", "infra/Makefile"))
    }
    for step in steps:
        yield from _condition(step)
        if not step.keys() & STEP_KINDS:
            yield f"a step with {', '.join(step)} runs nothing"
        if "continueOnError" in step:
            yield f"{step.get('displayName')} continues after an error"
        if "task" in step and step["task"].partition("@")[0] not in BUILT_IN:
            yield f"{step['task']} is not a built-in task"
        command = command_of(step)
        known = COMMAND.match(command)
        if command and not known:
            yield f"{command} is not a command of the repository"
        if known and known[2] and known[2] not in targets[known[1] or ""]:
            yield f"make {known[1] or ''}has no target {known[2]}"
        if re.search(r"\n|;|&&|\|\||\bif\b|\bfor\b", command):
            yield f"{command} contains shell logic"
        connection = step.get("inputs", {}).get("azureSubscription", "set")
        if not connection or "$(" in connection:
            yield f"the service connection {connection!r} is not known when the run is authorised"


def _artifacts(pipeline: dict) -> list[str]:
    kept = {step["artifact"] for _, job in jobs_of(pipeline) for step in steps_of(job) if "publish" in step}
    taken = {step["artifact"] for _, job in jobs_of(pipeline) for step in steps_of(job) if "download" in step}
    return [f"nothing publishes the artifact {name}" for name in sorted(taken - kept)]
