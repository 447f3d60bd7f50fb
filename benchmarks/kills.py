"""Kill the running chain at random times and resume it until it ends; then compare it with an undisturbed run.

``python -m benchmarks.kills`` prints the stages in which the chain was killed. It fails unless every run ends with the
predictions and the version in production of the undisturbed run, and unless the record and all notebooks can be read
after each kill.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from lib.paths import ROOT


def main() -> None:
    """Kill and resume runs, and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--params", default="parameters/penguins.yaml", help="the use case (parameters/penguins.yaml)")
    parser.add_argument("--kills", type=int, default=30, help="number of kills, over as many runs as needed (30)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random times (0)")
    options = parser.parse_args()
    times = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="bench-kills-") as folder:
        undisturbed_run = _Run(Path(folder) / "undisturbed", options.params)
        seconds = undisturbed_run.run()
        expected = undisturbed_run.result()
        print(f"undisturbed: {seconds:.1f} s, {expected['versions']} version(s), production {expected['production']}")
        counts: collections.Counter[str] = collections.Counter()
        kills = runs = 0
        while kills < options.kills:
            run = _Run(Path(folder) / f"run-{runs}", options.params)
            # At most ten kills per run, since the chain may get only a few seconds further between two kills.
            for _ in range(min(10, options.kills - kills)):
                stage = run.run_and_kill(times.uniform(0.2, seconds))
                if stage is None:
                    break
                kills += 1
                counts[stage] += 1
                print(f"kill {kills}: {stage}", file=sys.stderr)
            run.run()
            result = run.result()
            runs += 1
            if result != expected:
                raise SystemExit(f"run {runs} differs:\n{json.dumps(result)}\n{json.dumps(expected)}")
    print(f"\n{kills} kills over {runs} runs; all ended like the undisturbed run.\n")
    print("| killed in | times |")
    print("|---|---|")
    for stage, count in counts.most_common():
        print(f"| {stage} | {count} |")


class _Run:
    """A use case in its own workspace, started once and resumed until it ends."""

    def __init__(self, folder: Path, params: str):
        folder.mkdir()
        self._folder = folder
        self._arguments = [
            "--params",
            params,
            "-p",
            f"workspace={folder / 'workspace'}",
            "-p",
            f"runs_folder={folder / 'runs'}",
        ]

    def run(self) -> float:
        """Start or resume the run, wait for its end, and return the seconds it took."""
        started = time.perf_counter()
        command = self._command()
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if finished.returncode:
            message = f"{' '.join(command)} ended with {finished.returncode}"
            raise SystemExit(f"{message}:\n{finished.stdout}\n{finished.stderr}")
        return time.perf_counter() - started

    def run_and_kill(self, seconds: float) -> str | None:
        """Start or resume the run, kill it after some seconds, and return the running stage; None if it ended."""
        process = subprocess.Popen(self._command(), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return self._read_state()
        return None

    def _read_state(self) -> str:
        """Read the record and all notebooks, and return the running stage."""
        run_folder = self._run_folder()
        if run_folder is None:
            return "before the first stage"
        state = json.loads((run_folder / "run.json").read_text(encoding="utf-8"))
        for notebook in run_folder.glob("*.ipynb"):
            json.loads(notebook.read_text(encoding="utf-8"))
        running = [stage["stage"] for stage in state["stages"] if stage["status"] == "running"]
        if running:
            return " and ".join(sorted({stage.split()[0] for stage in running}))
        return "between two stages" if state["stages"] else "before the first stage"

    def _run_folder(self) -> Path | None:
        return next((record.parent for record in sorted((self._folder / "runs").glob("*/run.json"))), None)

    def _command(self) -> list[str]:
        run_folder = self._run_folder()
        return [sys.executable, "run_all.py", *(["--resume", str(run_folder)] if run_folder else self._arguments)]

    def result(self) -> dict:
        """Return predictions and versions at the end, and stop the endpoint."""
        program = [sys.executable, "-m", "benchmarks._result", str(self._folder / "workspace")]
        finished = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
        if finished.returncode:
            raise SystemExit(finished.stderr)
        return {**json.loads(finished.stdout.splitlines()[-1]), "processes left": self._processes()}

    def _processes(self) -> list[str]:
        """Return the command lines of processes that still use this workspace some seconds after the end."""
        deadline = time.monotonic() + 20
        while True:
            commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
            left = [command for command in commands if str(self._folder) in command]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)


if __name__ == "__main__":
    main()
