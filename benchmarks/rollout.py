"""Failed requests during all operations on an endpoint: rollouts, killed workers and renewed keys."""

from __future__ import annotations

import collections
import functools
import json
import os
import signal
import tempfile
from pathlib import Path

from benchmarks.serving import example_rows, train_model
from lib.serving.deploying.endpoint import LocalEndpoint, RequestLogSettings
from lib.serving.rollout import Rollout
from lib.simulation.steady_load import SteadyLoad

_KILLED_WORKERS = 3
_OTHER_KEY = {"primary": "secondary", "secondary": "primary"}


def run_all_phases(endpoint: LocalEndpoint, model: Path, load: SteadyLoad) -> None:
    """Operate an endpoint under load; each operation is a phase of the load.

    Parameters
    ----------
    endpoint : LocalEndpoint
        An endpoint that serves version 1 of a model.
    model : Path
        The model folder to deploy as version 2.
    load : SteadyLoad
        Load on the endpoint; it is started and stopped here.
    """
    deploy = functools.partial(endpoint.deploy, model, "2", request_log=RequestLogSettings())
    with load.running():
        with load.phase("one version"):
            load.wait_for_answers(100)
        with load.phase("deploy version 2, mirror 100 %"):
            deploy(rollout=Rollout(percent=0, mirror=100))
        with load.phase("30 % to version 2") as counts:
            endpoint.shift(30)
            load.wait_until(lambda: counts["version 2"] >= 20)
        with load.phase("100 % to version 2") as counts:
            endpoint.shift(100)
            load.wait_until(lambda: counts["version 2"] >= 50)
        with load.phase("roll back") as counts:
            endpoint.roll_back()
            load.wait_until(lambda: counts["version 1"] >= 50)
        with load.phase("deploy version 2 again"):
            deploy()
        with load.phase(f"kill {_KILLED_WORKERS} workers"):
            for _ in range(_KILLED_WORKERS):
                os.kill(min(endpoint.status().workers), signal.SIGKILL)
                load.wait_for_answers(100)
        for name, other_name in _OTHER_KEY.items():
            with load.phase(f"renew the {name} key"):
                load.key_name = other_name  # clients change to the other key before theirs is renewed
                load.wait_for_answers(20)
                endpoint.renew_key(name)


def main() -> None:
    """Run all phases on the model of the flights example, and print the number of requests by outcome."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        model = train_model(folder)
        endpoint = LocalEndpoint(folder / "endpoint", "flights")
        try:
            status = endpoint.deploy(model, "1", request_log=RequestLogSettings())
            body = json.dumps({"data": example_rows(model, 1)}).encode()
            load = SteadyLoad(status.url, body, lambda name: endpoint.keys()[name])
            run_all_phases(endpoint, model, load)
        finally:
            endpoint.stop()
    _print_counts(load)


def _print_counts(load: SteadyLoad) -> None:
    print("| phase | version 1 | version 2 | failed |")
    print("| --- | --- | --- | --- |")
    total = sum(load.counts.values(), collections.Counter())
    for phase, counts in [*load.counts.items(), ("total", total)]:
        if counts:
            failed = counts.total() - counts["version 1"] - counts["version 2"]
            print(f"| {phase} | {counts['version 1']} | {counts['version 2']} | {failed} |")
    for outcome, count in load.failed.items():
        print(f"{count} x {outcome}")


if __name__ == "__main__":
    main()
