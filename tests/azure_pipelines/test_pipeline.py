"""azure-pipelines.yml and its templates: checked by the Azure Pipelines schema and a lint of our own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.azure_pipelines.lint import command_of, expanded, faults, jobs_of, steps_of

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "azure-pipelines.yml", *sorted((ROOT / "pipelines").rglob("*.yml"))]
ENVIRONMENTS = ("dev", "test", "prod")


@pytest.fixture(scope="module")
def pipeline():
    """Return the expanded pipeline."""
    return expanded(ROOT)


@pytest.fixture
def copy(tmp_path):
    """Copy the pipeline for a test that changes it, and return the folder."""
    for file in [*FILES, ROOT / "Makefile", ROOT / "infra/Makefile"]:
        (tmp_path / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / file.relative_to(ROOT))
    return tmp_path


def check_schema(*files):
    """Run check-jsonschema; its default regex variant rejects the schema's regular expressions."""
    options = ["--builtin-schema", "vendor.azure-pipelines", "--data-transform", "azure-pipelines"]
    options += ["--regex-variant", "nonunicode"]
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run([program, *options, *files], capture_output=True, text=True, timeout=240)


def test_every_file_matches_the_schema():
    result = check_schema(*FILES)
    assert result.returncode == 0, result.stdout[-2000:]


def test_schema_refuses_an_unknown_key(copy):
    file = copy / "pipelines/check.yml"
    file.write_text(file.read_text().replace("displayName: Check", "displayNam: Check"))
    assert check_schema(file).returncode == 1


def test_lint_finds_no_mistakes():
    assert faults(ROOT) == []


# Mutants by the message that must report them: the file, the original text, the mutated text.
MUTANTS = {
    "depends on chk, which is not a stage": ("environment.yml", "dependsOn: check", "dependsOn: chk"),
    "two stages have the same name": ("environment.yml", "stage: drift_${{", "stage: plan_${{"),
    "but does not depend on it": ("environment.yml", "      - drift_${{ parameters.name }}\n", ""),
    "suceeded in a condition is not a function": ("environment.yml", "and(succeeded(), eq", "and(suceeded(), eq"),
    "eqal is not a function of template": ("steps/chain.yml", "if eq(", "if eqal("),
    "parameter conection is not declared": ("environment.yml", "connection: ${{", "conection: ${{"),
    "parameter after is not given": ("../azure-pipelines.yml", "          after: ${{ environment.after }}\n", ""),
    "parameter name cannot be staging": ("../azure-pipelines.yml", "name: test", "name: staging"),
    "parameters.nam is not known here": (
        "environment.yml",
        "plan_${{ parameters.name }}",
        "plan_${{ parameters.nam }}",
    ),
    "template not found": ("check.yml", "steps/python.yml", "steps/pyton.yml"),
    "vmimage is not a key of a pool": ("../azure-pipelines.yml", "vmImage", "vmimage"),
    "ubuntu-20.04 is not an image": ("../azure-pipelines.yml", "ubuntu-24.04", "ubuntu-20.04"),
    "has no environment, so it needs no approval": (
        "environment.yml",
        "        environment: ${{ variables.project }}-${{ parameters.name }}\n",
        "",
    ),
    "sounds like a secret": ("../azure-pipelines.yml", "name: useCase", "name: clientSecret"),
    "continues after an error": (
        "check.yml",
        "displayName: Test results",
        'continueOnError: "true"\n            displayName: Test results',
    ),
    "TerraformTask@5 is not a built-in task": ("steps/azure.yml", "AzureCLI@2", "TerraformTask@5"),
    "is not a command of the repository": ("check.yml", "make test ARGS", "pytest ARGS"),
    "make has no target tst": ("check.yml", "make test", "make tst"),
    "make -C infra has no target aply": ("environment.yml", "make -C infra apply", "make -C infra aply"),
    "contains shell logic": ("check.yml", "- script: make test", "- script: make lint || make test"),
    "is not known when the run is authorised": ("environment.yml", "${{ variables.project }}-", "$(project)-"),
    "nothing publishes the artifact plan-dev": ("environment.yml", "publish: infra/plan", "checkout: self"),
    "runs nothing": ("check.yml", "- script: make test", "- skript: make test"),
}


@pytest.mark.parametrize("message", MUTANTS)
def test_lint_catches_the_mutant(copy, message):
    name, right, wrong = MUTANTS[message]
    file = copy / "pipelines" / name
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    assert any(message in fault for fault in faults(copy)), faults(copy)


class TestPipeline:
    def test_triggers(self, pipeline):
        assert pipeline["trigger"]["branches"]["include"] == ["master", "main"]
        assert pipeline["pr"]["branches"]["include"] == ["master", "main"]
        (nightly,) = pipeline["schedules"]
        assert nightly["cron"].split()[2:] == ["*", "*", "*"] and nightly["always"] == "true"

    def test_stages_in_order(self, pipeline):
        kinds = ("plan", "apply", "drift", "chain", "publish")
        of_each = [f"{kind}_{environment}" for environment in ENVIRONMENTS for kind in kinds]
        assert [stage["stage"] for stage in pipeline["stages"]] == ["check", *of_each]

    def test_environments_run_one_after_another(self, pipeline):
        after = {stage["stage"]: stage["dependsOn"] for stage in pipeline["stages"]}
        assert [after[f"plan_{environment}"] for environment in ENVIRONMENTS] == ["check", "chain_dev", "chain_test"]

    def test_apply_needs_approval_and_uses_the_saved_plan(self, pipeline):
        applies = {stage: job for stage, job in jobs_of(pipeline) if stage.startswith("apply")}
        for environment in ENVIRONMENTS:
            job = applies[f"apply_{environment}"]
            assert job["environment"] == f"millrace-{environment}"
            (taken,) = [step["artifact"] for step in steps_of(job) if "download" in step]
            assert taken == f"plan-{environment}"

    def test_plan_apply_and_chain_have_separate_identities(self, pipeline):
        for stage, job in jobs_of(pipeline):
            tasks = [step for step in steps_of(job) if step.get("task") == "AzureCLI@2"]
            kind, _, environment = stage.partition("_")
            identity = {"plan": "plan", "apply": "apply", "drift": "plan", "chain": "chain"}.get(kind)
            expected = {f"millrace-{environment}-{identity}"} if identity else set()
            assert {step["inputs"]["azureSubscription"] for step in tasks} == expected

    def test_chain_outputs_are_published_after_failure(self, pipeline):
        for stage, job in jobs_of(pipeline):
            for step in steps_of(job):
                if step.get("publish") in ("runs", "reports"):
                    assert step["condition"] == "succeededOrFailed()", stage

    def test_chain_command_is_the_same_in_all_environments(self, pipeline):
        chains = {
            stage: command_of(step)
            for stage, job in jobs_of(pipeline)
            for step in steps_of(job)
            if command_of(step).startswith("make run")
        }
        assert chains.pop("check") == 'make run ARGS="--params $(useCase)"'
        for environment in ENVIRONMENTS:
            outputs = f"$(Pipeline.Workspace)/outputs-{environment}/{environment}.json"
            assert chains.pop(f"chain_{environment}") == f'make run ARGS="--params $(useCase) $(profile) {outputs}"'
        assert not chains

    def test_nights_with_new_rows_retrain_after_act_only(self, copy):
        file = copy / "azure-pipelines.yml"
        text = file.read_text()
        assert '- name: newRows\n    value: ""\n' in text
        file.write_text(
            text.replace('- name: newRows\n    value: ""', "- name: newRows\n    value: abfs://new@acme/rows")
        )
        assert faults(copy) == []
        for environment in ENVIRONMENTS:
            job = next(job for stage, job in jobs_of(expanded(copy)) if stage == f"chain_{environment}")
            chain, night = (step for step in steps_of(job) if command_of(step).startswith("make run"))
            files = f"$(useCase) $(profile) $(Pipeline.Workspace)/outputs-{environment}/{environment}.json"
            assert command_of(night) == (
                f'make run ARGS="monitor --params {files} --data abfs://new@acme/rows -p on_verdict=retrain"'
            )
            assert night["condition"] == "and(succeeded(), eq(variables['Build.Reason'], 'Schedule'))"
            assert chain["condition"] == "and(succeeded(), ne(variables['Build.Reason'], 'Schedule'))"

    def test_comment_is_written_on_pull_requests_only(self, pipeline):
        steps = [(stage, job, step) for stage, job in jobs_of(pipeline) for step in steps_of(job)]
        ((stage, job, comment),) = [each for each in steps if "run_all.py comment" in command_of(each[2])]
        assert stage == "check" and comment["env"] == {"SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"}
        assert "eq(variables['Build.Reason'], 'PullRequest')" in comment["condition"]
        assert "ne(variables['System.PullRequest.IsFork'], 'True')" in comment["condition"]
        published = {step["artifact"] for step in steps_of(job) if step.get("publish") == "runs"}
        assert command_of(comment).endswith(f"comment --artifact {published.pop()}")
        tokens = [step for name, _, step in steps if name == "check" and "SYSTEM_ACCESSTOKEN" in step.get("env", {})]
        assert tokens == [comment], "no other step of the stage gets the token"

    def test_files_named_by_variables_exist(self, pipeline):
        variables = {variable["name"]: variable["value"] for variable in pipeline["variables"]}
        assert (ROOT / variables["useCase"]).is_file()
        assert yaml.safe_load((ROOT / variables["profile"]).read_text())["backend"] == "azureml"
