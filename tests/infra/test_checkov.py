"""checkov's view of each environment: nothing fails in prod, and what is skipped has a reason beside it."""

import json
import re
import subprocess

import pytest

from tests.infra import terraform as tf

CHECKOV = tf.INFRA.parent / ".venv/checkov/bin/checkov"
# Of a public environment: what a private network, a Premium registry or a second region would mend.
OF_A_PUBLIC_ONE = {
    "CKV2_AZURE_49",  # the workspace has a public address
    "CKV2_AZURE_50",  # so has its storage account
    "CKV_AZURE_35",  # the storage account's firewall lets all in
    "CKV_AZURE_59",  # the storage account has a public address
    "CKV_AZURE_109",  # the vault's firewall lets all in
    "CKV_AZURE_189",  # the vault has a public address
    "CKV_AZURE_139",  # the registry has a public address
    "CKV_AZURE_144",  # the workspace has a public address
    "CKV_AZURE_163",  # the registry is Basic
    "CKV_AZURE_233",  # likewise
    "CKV_AZURE_237",  # likewise
    "CKV_AZURE_206",  # the data is in one region
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(tf.SECONDS)]


@pytest.fixture(scope="module", params=tf.ENVIRONMENTS)
def scanned(request):
    """An environment, and what checkov says of it."""
    if not CHECKOV.exists():
        pytest.skip("checkov is not installed: `make infra-check` brings it")
    arguments = ["-d", tf.INFRA, "--framework", "terraform", "--skip-download", "-o", "json"]
    arguments += ["--var-file", tf.INFRA / f"env/{request.param}.tfvars"]
    said = subprocess.run([CHECKOV, *arguments], capture_output=True, text=True, timeout=tf.SECONDS)
    return request.param, json.loads(said.stdout)


def test_prod_has_no_failure_and_the_others_those_of_a_public_environment(scanned):
    environment, said = scanned
    failed = {one["check_id"] for one in said["results"]["failed_checks"]}
    print(environment, said["summary"])
    assert said["summary"]["passed"] >= 40
    assert failed == (set() if environment == "prod" else OF_A_PUBLIC_ONE)


def test_every_skip_has_its_reason_in_the_code(scanned):
    _, said = scanned
    text = "\n".join(file.read_text() for file in tf.INFRA.rglob("*.tf"))
    written = re.findall(r"#checkov:skip=(\w+):\S+ \S+", text)
    skipped = {one["check_id"] for one in said["results"]["skipped_checks"]}
    assert skipped == set(written)
