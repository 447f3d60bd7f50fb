"""Steady load through all that is done behind an endpoint's URL: how many requests with a valid key failed?"""

from __future__ import annotations

import collections
import json
import os
import signal
import tempfile
from pathlib import Path

from benchmarks._steady import Steady
from benchmarks.serving import rows_of, train
from lib.serving.deploying.endpoint import LocalEndpoint, RequestLogSettings
from lib.serving.rollout import Rollout


def through_everything(endpoint: LocalEndpoint, model: Path, steady: Steady) -> None:
    """Roll a version out, back and out again, kill workers, change both keys, redeploy; count by phase."""
    new = {"model_folder": model, "version": "2", "request_log": RequestLogSettings()}
    with steady.running():
        with steady.phase("one version"):
            steady.wait_for(lambda: True, more=100)
        with steady.phase("deploying, mirrored at 100 %"):
            endpoint.deploy(**new, rollout=Rollout(percent=0, mirror=100))
        with steady.phase("30 % to the new") as counts:
            endpoint.shift(30)
            steady.wait_for(lambda: counts["version 2"] >= 20)
        with steady.phase("all to the new") as counts:
            endpoint.shift(100)
            steady.wait_for(lambda: counts["version 2"] >= 50)
        with steady.phase("rolled back") as counts:
            endpoint.roll_back()
            steady.wait_for(lambda: counts["version 1"] >= 50)
        with steady.phase("deployed again"):
            endpoint.deploy(**new)
        with steady.phase("a worker killed, three times"):
            for _ in range(3):
                os.kill(min(endpoint.status().workers), signal.SIGKILL)
                steady.wait_for(lambda: True, more=100)
        for name in ("primary", "secondary"):
            with steady.phase(f"the {name} key renewed"):
                other = {"primary": "secondary", "secondary": "primary"}[name]
                steady.key_name = other  # clients move to the other key first
                steady.wait_for(lambda: True, more=20)
                endpoint.renew_key(name)


def main() -> None:
    """Go through everything and print the counts."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        model = train(folder)
        endpoint = LocalEndpoint(folder / "endpoint", "flights")
        try:
            status = endpoint.deploy(model, "1", request_log=RequestLogSettings())
            body = json.dumps({"data": rows_of(model, 1)}).encode()
            steady = Steady(status.url, body, lambda name: endpoint.keys()[name])
            through_everything(endpoint, model, steady)
        finally:
            endpoint.stop()
    print("| phase | version 1 | version 2 | failed |")
    print("| --- | --- | --- | --- |")
    total = sum(steady.counts.values(), collections.Counter())
    for phase, counts in [*steady.counts.items(), ("in all", total)]:
        if counts:
            failed = sum(counts.values()) - counts["version 1"] - counts["version 2"]
            print(f"| {phase} | {counts['version 1']} | {counts['version 2']} | {failed} |")
    for outcome, count in steady.failed.items():
        print(f"{count} x {outcome}")


if __name__ == "__main__":
    main()
