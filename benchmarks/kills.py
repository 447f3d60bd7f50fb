"""Kill the running chain at random instants and resume it, until it ends; then compare with a run nobody disturbed.

``python -m benchmarks.kills`` prints a table: at which moments the chain was killed, and whether, in the end, the
predictions on the test rows and the version in production are those of the undisturbed run. After each kill what is on
disk is read: the record, and every notebook beside it.
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
    """Disturb, and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--params", default="parameters/penguins.yaml", help="the use case (parameters/penguins.yaml)")
    parser.add_argument("--kills", type=int, default=30, help="how many, over as many runs as it takes (30)")
    parser.add_argument("--seed", type=int, default=0, help="of the instants (0)")
    options = parser.parse_args()
    instants = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="bench-kills-") as folder:
        calm = _Run(Path(folder) / "calm", options.params)
        seconds = calm.undisturbed()
        expected = calm.result()
        print(f"undisturbed: {seconds:.1f} s, {expected['versions']} version(s), production {expected['production']}")
        where: collections.Counter[str] = collections.Counter()
        kills = runs = 0
        while kills < options.kills:
            run = _Run(Path(folder) / f"run-{runs}", options.params)
            # Ten kills a run at most: as often as not the chain gets a few seconds further in between.
            for _ in range(min(10, options.kills - kills)):
                killed_in = run.until_killed(instants.uniform(0.2, seconds))
                if killed_in is None:
                    break
                kills += 1
                where[killed_in] += 1
                print(f"kill {kills}: {killed_in}", file=sys.stderr)
            run.undisturbed()
            result = run.result()
            runs += 1
            if result != expected:
                raise SystemExit(f"run {runs} differs:\n{json.dumps(result)}\n{json.dumps(expected)}")
    print(f"\n{kills} kills over {runs} runs; each run ended with the undisturbed one's predictions and versions.\n")
    print("| killed in | times |")
    print("|---|---|")
    for name, times in where.most_common():
        print(f"| {name} | {times} |")


class _Run:
    """One use case in a workspace of its own, begun once and resumed as often as it takes."""

    def __init__(self, place: Path, params: str):
        place.mkdir()
        self._place = place
        self._given = [
            "--params",
            params,
            "-p",
            f"workspace={place / 'workspace'}",
            "-p",
            f"runs_folder={place / 'runs'}",
        ]

    def undisturbed(self) -> float:
        """Run, or resume, to the end; the seconds it took."""
        started = time.perf_counter()
        done = subprocess.run(self._command(), cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(self._command())} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return time.perf_counter() - started

    def until_killed(self, seconds: float) -> str | None:
        """Run, or resume, and kill the chain after some seconds; where it was. None where it ended before."""
        process = subprocess.Popen(self._command(), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return self._read_what_is_there()
        return None

    def _read_what_is_there(self) -> str:
        """Read the record and all notebooks, and say what ran."""
        folder = self._folder()
        if folder is None:
            return "before the first stage"
        state = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        for notebook in folder.glob("*.ipynb"):
            json.loads(notebook.read_text(encoding="utf-8"))
        running = [stage["stage"] for stage in state["stages"] if stage["status"] == "running"]
        if running:
            return " and ".join(sorted({stage.split()[0] for stage in running}))
        return "between two stages" if state["stages"] else "before the first stage"

    def _folder(self) -> Path | None:
        return next((one.parent for one in sorted((self._place / "runs").glob("*/run.json"))), None)

    def _command(self) -> list[str]:
        folder = self._folder()
        return [sys.executable, "run_all.py", *(["--resume", str(folder)] if folder else self._given)]

    def result(self) -> dict:
        """What counts in the end; the endpoint is stopped."""
        program = [sys.executable, "-m", "benchmarks._result", str(self._place / "workspace")]
        told = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
        if told.returncode:
            raise SystemExit(told.stderr)
        return {**json.loads(told.stdout.splitlines()[-1]), "processes left": self._processes()}

    def _processes(self) -> list[str]:
        """Command lines of processes that still work in this workspace, a few seconds after its end."""
        deadline = time.monotonic() + 20
        while True:
            left = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
            left = [one for one in left if str(self._place) in one]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)


if __name__ == "__main__":
    main()
