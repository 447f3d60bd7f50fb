"""Kill commands to an endpoint at random times: deploy, traffic, renew, stop and start.

``python -m benchmarks.endpoint_kills`` kills each command 30 times with SIGKILL while it works. It fails unless, after
each kill, the status is true, both keys are whole, the endpoint starts and answers, and no process is left over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from benchmarks.serving import example_rows, train_model
from lib.paths import ROOT
from lib.serving.deploying.endpoint import LocalEndpoint
from lib.serving.deploying.status import RUNNING
from lib.serving.keys import NAMES

_SETTLE_SECONDS = 60
_ROUTER = "lib.serving.server.router"
# What a process does after it has said that its imports are done.
_PROGRAM = """
import sys
from pathlib import Path
from lib.serving.deploying.endpoint import LocalEndpoint
from lib.serving.rollout import Rollout
endpoint, model = LocalEndpoint(Path(sys.argv[1]), "flights"), Path(sys.argv[2])
print("ready", flush=True)
"""
_COMMANDS = {
    "deploy": 'endpoint.deploy(model, "2", rollout=Rollout(percent=50))',
    "traffic": "endpoint.shift(30)",
    "renew": 'endpoint.renew_key("secondary")',
    "stop": "endpoint.stop()",
    "start": "endpoint.start()",
}


class Victim:
    """An endpoint whose commands are killed.

    Parameters
    ----------
    folder, model : Path
        Folder of the endpoint, and of a model.
    """

    def __init__(self, folder: Path, model: Path):
        self.endpoint, self._model = LocalEndpoint(folder, "flights"), model
        self._body = json.dumps({"data": example_rows(model, 1)}).encode()

    def prepare(self, command: str) -> None:
        """Bring the endpoint into the state in which a command has the most to do."""
        if command == "start":
            self.endpoint.stop()
            return
        if self.endpoint.status().state != RUNNING:
            self.endpoint.start()
        if command == "deploy":
            with contextlib.suppress(Exception):  # there may be no new version
                self.endpoint.roll_back()
        elif command == "traffic" and not self.endpoint.status().other_version:
            self.endpoint.deploy(self._model, "2", rollout=_half())

    def run(self, command: str, kill_after_seconds: float | None) -> float:
        """Run a command in another process, kill it after some seconds, and return how long it took."""
        code = _PROGRAM + _COMMANDS[command]
        arguments = [sys.executable, "-c", code, str(self.endpoint.folder), str(self._model)]
        process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        started = time.perf_counter()
        try:
            process.communicate(timeout=kill_after_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        return time.perf_counter() - started

    def check(self) -> str:
        """Check the endpoint after a kill, start it, and return its state before the start.

        Raises
        ------
        AssertionError
            If the status is wrong, a key is damaged, the endpoint does not start, or a process is left over.
        """
        state = self._settled_state()
        keys = self.endpoint.keys()
        assert set(keys) == set(NAMES) and all(len(key) == 43 for key in keys.values()), "a key is damaged"
        if state == RUNNING:
            assert len(self.routers()) == 1, f"{len(self.routers())} routers run"
        else:
            assert not self.processes(), f"{state}, but {self.processes()} run"
        status = self.endpoint.start()
        assert status.state == RUNNING, f"after the start: {status}"
        for key in keys.values():
            version = self._ask(status.url, key)
            assert version in ("1", "2"), f"version {version} answered"
        assert len(self.routers()) == 1, f"{len(self.routers())} routers run after the start"
        return state

    def _settled_state(self) -> str:
        """Return the state once processes that a killed command had begun to start have ended.

        They may take as long as the requests in progress.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            state, routers = self.endpoint.status().state, len(self.routers())
            is_true = routers == 1 if state == RUNNING else not self.processes()
            if is_true or time.monotonic() > deadline:
                return state
            time.sleep(0.1)

    def _ask(self, url: str, key: str) -> str:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, self._body, headers), timeout=60) as answer:
            return json.loads(answer.read())["model"]["version"]

    def processes(self) -> list[str]:
        """Return the command lines of all processes that use the endpoint's folder."""
        folder = str(self.endpoint.folder)
        lines = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if process.info["status"] != psutil.STATUS_ZOMBIE and any(word.startswith(folder) for word in words):
                lines.append(" ".join(words)[:200])
        return lines

    def routers(self) -> list[str]:
        """Return the command lines of the endpoint's routers."""
        return [line for line in self.processes() if _ROUTER in line]


def _half():  # type: ignore[no-untyped-def]
    from lib.serving.rollout import Rollout

    return Rollout(percent=50)


def main() -> None:
    """Kill all commands, and print how the endpoint was found."""
    parser = argparse.ArgumentParser(prog="benchmarks.endpoint_kills", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="number of kills of each command (30)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random times (0)")
    parser.add_argument("--only", choices=_COMMANDS, help="kill this command only")
    parser.add_argument("--model", type=Path, help="a model folder (default: train one on the flights example)")
    options = parser.parse_args()
    times = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        victim = Victim(folder / "endpoint", options.model or train_model(folder))
        try:
            victim.endpoint.deploy(victim._model, "1")
            print("| command | kills | took, undisturbed | running afterwards | not running | failures |")
            print("| --- | --- | --- | --- | --- | --- |")
            for command in [options.only] if options.only else _COMMANDS:
                _kill_command(victim, command, options.kills, times)
        finally:
            victim.endpoint.stop()
        left = victim.processes()
        print(f"\nProcesses left at the end: {len(left)}.")
        if left:
            raise SystemExit("\n".join(left))


def _kill_command(victim: Victim, command: str, kills: int, times: random.Random) -> None:
    """Kill a command some times at random moments, and print a line of the table."""
    victim.prepare(command)
    seconds = victim.run(command, None)
    victim.check()
    states = []
    for number in range(kills):
        victim.prepare(command)
        victim.run(command, times.uniform(0, seconds))
        try:
            states.append(victim.check())
        except (AssertionError, OSError) as error:
            raise SystemExit(f"{command}, kill {number + 1}: {error}\n{victim.endpoint.logs(20)}") from error
    running = states.count(RUNNING)
    print(f"| {command} | {kills} | {1000 * seconds:.0f} ms | {running} | {kills - running} | 0 |", flush=True)


if __name__ == "__main__":
    main()
