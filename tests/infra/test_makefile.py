"""Commands that infra/Makefile passes to Terraform, recorded by a fake terraform program."""

import json
import os
import shutil
import subprocess
import zipfile

import pytest

from tests.infra import terraform as tf

FAKES = {
    "terraform": (
        'echo "$@" >> commands; env | grep ^ARM_ > environment; [ "$1" = output ] && echo "{}"; '
        '[ "$1" = state ] && echo "${BUDGET:-}"; [ "$2" = output ] && cat adopted; exit ${CODE:-0}'
    ),
    "az": "echo 11111111-1111-1111-1111-111111111111",
    "curl": 'while [ "$1" != --output ]; do shift; done; cp download.zip "$2"',
}


@pytest.fixture
def make(tmp_path):
    """Return a function that runs a make target in an empty folder, with the fake programs on the PATH."""
    shutil.copy(tf.INFRA / "Makefile", tmp_path)
    (tmp_path / "bin").mkdir()
    for name, script in FAKES.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    def run(*arguments, **variables):
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("ARM_", "AZURE", "MAKE"))
        }
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        environment = {**inherited, "PATH": path, **variables}
        return subprocess.run(["make", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)

    run.folder = tmp_path
    run.commands = lambda: (tmp_path / "commands").read_text().splitlines()
    run.environment = lambda: dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    return run


def test_plan_is_saved_and_takes_no_lock(make):
    assert make("plan", "ENV=test").returncode == 0
    init, state, plan = make.commands()
    assert init == "init -reconfigure -backend-config=env/test.tfbackend"
    assert state == "state list azurerm_consumption_budget_resource_group.this"
    assert plan == "plan -lock=false -var-file=env/test.tfvars -out=plan/test.tfplan"
    assert (make.folder / "plan").is_dir()


def test_existing_budget_may_start_in_the_past(make):
    for target in ("plan", "drift"):
        assert make(target, BUDGET="azurerm_consumption_budget_resource_group.this").returncode == 0
        assert "-var=budget_exists=true" in make.commands()[-1].split()


def test_adopt_imports_the_resources_of_bootstrap(make):
    ids = {"azurerm_resource_group.this": "/subscriptions/1/resourceGroups/rg", "azurerm_x.y": "/other"}
    (make.folder / "adopted").write_text(json.dumps({"dev": {}, "prod": ids}))
    assert make("adopt", "ENV=prod").returncode == 0
    assert sorted(make.commands()[2:]) == [
        f"import -var-file=env/prod.tfvars -var=budget_exists=true {address} {id}" for address, id in ids.items()
    ]


def test_subscription_comes_from_the_azure_cli(make):
    make("plan")
    assert make.environment() == {"ARM_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111"}


def test_given_subscription_takes_precedence(make):
    make("plan", ARM_SUBSCRIPTION_ID="22222222-2222-2222-2222-222222222222")
    assert make.environment() == {"ARM_SUBSCRIPTION_ID": "22222222-2222-2222-2222-222222222222"}


def test_azure_pipelines_uses_workload_identity_federation(make):
    given = {"SERVICE_CONNECTION_ID": "connection", "CLIENT_ID": "client", "TENANT_ID": "tenant"}
    make("plan", **{f"AZURESUBSCRIPTION_{name}": value for name, value in given.items()})
    assert make.environment() == {
        "ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID": "connection",
        "ARM_CLIENT_ID": "client",
        "ARM_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111",
        "ARM_TENANT_ID": "tenant",
        "ARM_USE_OIDC": "true",
    }


def test_lock_file_makes_init_readonly(make):
    (make.folder / ".terraform.lock.hcl").touch()
    make("init")
    assert make.commands() == ["init -reconfigure -backend-config=env/dev.tfbackend -lockfile=readonly"]


def test_apply_uses_the_saved_plan_and_writes_outputs(make):
    assert make("apply", "ENV=prod", "PLAN=/artifacts/plan-prod").returncode == 0
    assert make.commands()[1:] == ["apply /artifacts/plan-prod/prod.tfplan", "output -json"]
    assert (make.folder / "outputs/prod.json").read_text() == "{}\n"


def test_drift_fails(make):
    assert make("drift").returncode == 0
    assert "-detailed-exitcode" in make.commands()[-1]
    assert make("drift", CODE="2").returncode != 0


def test_missing_outputs_fail(make):
    assert make("outputs", CODE="1").returncode != 0


def test_install_refuses_a_wrong_checksum(make):
    with zipfile.ZipFile(make.folder / "download.zip", "w") as archive:
        archive.writestr("terraform", "another program")
    refused = make("install")
    assert refused.returncode != 0 and "FAILED" in refused.stdout + refused.stderr
    assert not (make.folder / ".bin/terraform").exists()


def test_install_accepts_the_right_checksum(make):
    version = tf.BINARY and subprocess.run([tf.BINARY, "version"], capture_output=True, text=True).stdout
    pinned = next(line for line in (make.folder / "Makefile").read_text().splitlines() if line.startswith("VERSION"))
    if not version or f"v{pinned.split()[-1]}\n" not in version or "linux_amd64" not in version:
        pytest.skip("the pinned terraform for Linux on amd64 is not installed")
    with zipfile.ZipFile(make.folder / "download.zip", "w") as archive:
        archive.write(os.path.realpath(tf.BINARY), "terraform")
    installed = make("install")
    assert installed.returncode == 0, installed.stderr
    assert os.access(make.folder / ".bin/terraform", os.X_OK)
