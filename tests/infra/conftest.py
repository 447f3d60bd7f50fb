"""Terraform with a provider, for every test of infra/."""

import re
import subprocess

import pytest

from tests.infra import stand_in
from tests.infra import terraform as tf


@pytest.fixture(scope="session")
def provider():
    """Yield the environment variables that point Terraform to azurerm: the installed provider, or else the stand-in."""
    if tf.BINARY is None:
        pytest.skip("terraform is not installed: run `make -C infra install`")
    version = re.search(r"v(\d+)\.(\d+)", subprocess.run([tf.BINARY, "version"], capture_output=True, text=True).stdout)
    if tuple(map(int, version.groups())) < (1, 11):
        pytest.skip(
            f"terraform is {version[0]}, older than 1.11: run `make -C infra install` to get the pinned version"
        )
    if tf.installed_providers():
        yield {}
    else:
        with stand_in.serving() as environment:
            yield environment


@pytest.fixture
def copy(provider, tmp_path):
    """Copy infra/ for a test that changes it."""
    return initialised(tf.copy_infra(tmp_path / "infra", provider))


@pytest.fixture(scope="session")
def infra(provider, tmp_path_factory):
    """Copy infra/ for all tests that only read it."""
    return initialised(tf.copy_infra(tmp_path_factory.mktemp("infra") / "infra", provider))


def initialised(terraform):
    """Run `terraform init` in both modules, and return the Terraform object."""
    plugin_folder = tf.installed_providers()
    for module in (".", "bootstrap"):
        result = terraform.inside(module)(
            "init", "-backend=false", *([f"-plugin-dir={plugin_folder}"] if plugin_folder else [])
        )
        assert result.returncode == 0, result.stderr
    return terraform


@pytest.fixture(scope="session")
def plans(infra):
    """Return the plan of each environment, made from its .tfvars file."""
    return {environment: infra.plan(environment) for environment in tf.ENVIRONMENTS}
