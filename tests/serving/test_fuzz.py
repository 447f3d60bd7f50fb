"""schemathesis over the endpoint's own OpenAPI: whatever it makes up, no 5xx, no crash, and memory stays flat."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.served_models import Client

# The models are saved once for all files of this folder, so these stay on one worker.

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def live(models, endpoint):
    endpoint.deploy(models / "classifier", "3", model_name="flights-late")
    return endpoint


def fuzz(endpoint, folder, seed):
    """Counts of answers by status, of one round."""
    base = endpoint.status().url.removesuffix("/score")
    cassette = folder / f"round-{seed}.ndjson"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{base}/openapi.json", "--checks", CHECKS]
    command += ["--max-examples", str(EXAMPLES), "--seed", str(seed), "--phases", "examples,coverage,fuzzing"]
    command += ["--report", "ndjson", "--report-ndjson-path", str(cassette), "--no-color", "--continue-on-failure"]
    # In the environment of the command alone; schemathesis takes headers on its command line, or from a file.
    settings = folder / "schemathesis.toml"
    settings.write_text(f'[headers]\nAuthorization = "Bearer {endpoint.keys()["primary"]}"\n')
    ran = subprocess.run(
        [command[0], "--config-file", str(settings), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    counts = {}

    def look(found):
        if isinstance(found, dict):
            if isinstance(found.get("response"), dict) and "status_code" in found["response"]:
                status = found["response"]["status_code"]
                counts[status] = counts.get(status, 0) + 1
            for one in found.values():
                look(one)
        elif isinstance(found, list):
            for one in found:
                look(one)

    for line in cassette.read_text().splitlines():
        look(json.loads(line))
    return counts


def memory(endpoint):
    """Bytes of all its processes that are resident and theirs alone."""
    status = endpoint.status()
    return sum(psutil.Process(pid).memory_full_info().uss for pid in (status.pid, *status.workers))


def test_no_5xx_no_death_and_memory_stays_flat(live, tmp_path):
    first = fuzz(live, tmp_path, seed=1)
    before, pids = memory(live), live.status().workers
    second = fuzz(live, tmp_path, seed=2)
    grown = (memory(live) - before) / 2**20
    counts = {status: first.get(status, 0) + second.get(status, 0) for status in sorted(first.keys() | second.keys())}
    print(f"schemathesis: {sum(counts.values())} requests by status {counts}; memory grew by {grown:.1f} MB")
    assert sum(counts.values()) > EXAMPLES and 200 in counts and 422 in counts and max(counts) < 500
    assert live.status().workers == pids and grown < 20
    client = Client(live.status().url, live.keys()["primary"])
    assert client.ask()[0] == 200
