"""Terraform with a provider, for every test of infra/."""

import re
import subprocess

import pytest

from tests.infra import stand_in
from tests.infra import terraform as tf


@pytest.fixture(scope="session")
def provider():
    """Environment in which Terraform finds azurerm: the real one where it is installed, else the stand-in."""
    if tf.BINARY is None:
        pytest.skip("terraform is not installed: `make -C infra install` brings it")
    version = re.search(r"v(\d+)\.(\d+)", subprocess.run([tf.BINARY, "version"], capture_output=True, text=True).stdout)
    if tuple(map(int, version.groups())) < (1, 11):
        pytest.skip(
            f"terraform is {version[0]}, older than 1.11: `make -C infra install` brings the one that is pinned"
        )
    if tf.installed():
        yield {}
    else:
        with stand_in.serving() as environment:
            yield environment


@pytest.fixture
def copy(provider, tmp_path):
    """A copy of infra/ of the test's own, to change."""
    return initialised(tf.copied(tmp_path / "infra", provider))


@pytest.fixture(scope="session")
def infra(provider, tmp_path_factory):
    """A copy of infra/ that no test changes."""
    return initialised(tf.copied(tmp_path_factory.mktemp("infra") / "infra", provider))


def initialised(terraform):
    """Let Terraform find the provider. The stand-in needs nothing of it, and leaves nothing in the folder."""
    place = tf.installed()
    for module in (".", "bootstrap"):
        made = terraform.inside(module)("init", "-backend=false", *([f"-plugin-dir={place}"] if place else []))
        assert made.returncode == 0, made.stderr
    return terraform


@pytest.fixture(scope="session")
def plans(infra):
    """Plan of each environment as its file says."""
    return {environment: infra.plan(environment) for environment in tf.ENVIRONMENTS}
