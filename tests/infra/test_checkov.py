"""checkov on each environment: no failures in prod, and a reason for every skipped check."""

import json
import re
import subprocess

import pytest

from tests.infra import terraform as tf

CHECKOV = tf.INFRA.parent / ".venv/checkov/bin/checkov"
# Failures of a public environment. A private network, a Premium registry or a second region would fix them.
PUBLIC_FAILURES = {
    "CKV2_AZURE_49",  # the workspace has a public address
    "CKV2_AZURE_50",  # the storage account has a public address
    "CKV_AZURE_35",  # the storage account's firewall allows all networks
    "CKV_AZURE_59",  # the storage account has a public address
    "CKV_AZURE_109",  # the vault's firewall allows all networks
    "CKV_AZURE_189",  # the vault has a public address
    "CKV_AZURE_139",  # the registry has a public address
    "CKV_AZURE_144",  # the workspace has a public address
    "CKV_AZURE_163",  # the registry is Basic
    "CKV_AZURE_233",  # the registry is Basic
    "CKV_AZURE_237",  # the registry is Basic
    "CKV_AZURE_206",  # the data is in one region
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(tf.TIMEOUT_SECONDS)]


@pytest.fixture(scope="module", params=tf.ENVIRONMENTS)
def scanned(request):
    """Return an environment and checkov's report on it."""
    if not CHECKOV.exists():
        pytest.skip("checkov is not installed: run `make infra-check`, which installs it")
    arguments = ["-d", tf.INFRA, "--framework", "terraform", "--skip-download", "-o", "json"]
    arguments += ["--var-file", tf.INFRA / f"env/{request.param}.tfvars"]
    result = subprocess.run([CHECKOV, *arguments], capture_output=True, text=True, timeout=tf.TIMEOUT_SECONDS)
    return request.param, json.loads(result.stdout)


def test_only_public_environments_have_failures(scanned):
    environment, report = scanned
    failed = {check["check_id"] for check in report["results"]["failed_checks"]}
    print(environment, report["summary"])
    assert report["summary"]["passed"] >= 40
    assert failed == (set() if environment == "prod" else PUBLIC_FAILURES)


def test_every_skipped_check_has_a_reason_in_the_code(scanned):
    _, report = scanned
    text = "\n".join(file.read_text() for file in tf.INFRA.rglob("*.tf"))
    written = re.findall(r"#checkov:skip=(\w+):\S+ \S+", text)
    skipped = {check["check_id"] for check in report["results"]["skipped_checks"]}
    assert skipped == set(written)
