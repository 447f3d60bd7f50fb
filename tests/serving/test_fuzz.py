"""schemathesis against the endpoint's own OpenAPI document: no status 5xx, no crash, no growing memory."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.served_models import Client

# The models are saved once for all tests of this folder, so these tests stay on one worker.

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
MAX_GROWTH_MB = 20


@pytest.fixture(scope="module")
def live(models, endpoint):
    """Return a running endpoint."""
    endpoint.deploy(models / "classifier", "3", model_name="flights-late")
    return endpoint


def fuzz(endpoint, folder, seed):
    """Run schemathesis once and return the number of answers by status."""
    base = endpoint.status().url.removesuffix("/score")
    report = folder / f"round-{seed}.ndjson"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{base}/openapi.json", "--checks", CHECKS]
    command += ["--max-examples", str(EXAMPLES), "--seed", str(seed), "--phases", "examples,coverage,fuzzing"]
    command += ["--report", "ndjson", "--report-ndjson-path", str(report), "--no-color", "--continue-on-failure"]
    # In a file, so that the key is not on the command line, where other users could see it.
    settings = folder / "schemathesis.toml"
    settings.write_text(f'[headers]\nAuthorization = "Bearer {endpoint.keys()["primary"]}"\n')
    finished = subprocess.run(
        [command[0], "--config-file", str(settings), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=400,
    )
    assert finished.returncode == 0, finished.stdout[-6000:] + finished.stderr[-2000:]
    return Counter(status for line in report.read_text().splitlines() for status in statuses(json.loads(line)))


def statuses(value):
    """Yield the status codes of all responses within a JSON value."""
    if isinstance(value, dict):
        response = value.get("response")
        if isinstance(response, dict) and "status_code" in response:
            yield response["status_code"]
        for item in value.values():
            yield from statuses(item)
    elif isinstance(value, list):
        for item in value:
            yield from statuses(item)


def memory_bytes(endpoint):
    """Return the unshared memory of all processes of an endpoint."""
    status = endpoint.status()
    return sum(psutil.Process(pid).memory_full_info().uss for pid in (status.pid, *status.workers))


def test_fuzzing_causes_no_5xx_crash_or_memory_growth(live, tmp_path):
    first = fuzz(live, tmp_path, seed=1)
    before, workers = memory_bytes(live), live.status().workers
    counts = first + fuzz(live, tmp_path, seed=2)
    growth_mb = (memory_bytes(live) - before) / 2**20
    total = sum(counts.values())
    print(f"schemathesis: {total} requests by status {sorted(counts.items())}; memory grew by {growth_mb:.1f} MB")
    assert total > EXAMPLES and 200 in counts and 422 in counts and max(counts) < 500
    assert live.status().workers == workers and growth_mb < MAX_GROWTH_MB
    client = Client(live.status().url, live.keys()["primary"])
    assert client.ask()[0] == 200
