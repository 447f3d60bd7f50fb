"""Run the chain many times, with a random fault in each run, and check what must hold after any fault.

``python -m tests.soak --runs 40`` prints the counts. After the fault, every record has to be true; resumed without
faults, the use case has to end with the predictions of an undisturbed run and with one version in production; and no
process and no temporary folder may remain. Each run has a small disk of its own, so this needs root on Linux, and a C
compiler for the clock.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from lib.simulation.faults import small_disk
from tests.soak.faults import FAULTS, compile_clock
from tests.soak.use_case import UseCase

_DISK_MEGABYTES = 1500  # setup refuses a disk with less than a gigabyte


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak, print the counts, and return 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--params", default="parameters/penguins.yaml", help="the use case (parameters/penguins.yaml)")
    parser.add_argument("--runs", type=int, default=40, help="number of runs (40)")
    parser.add_argument("--only", default="", choices=["", *FAULTS], help="the one fault to try (all in turn)")
    parser.add_argument("--seed", type=int, default=0, help="seed of faults and times (0)")
    options = parser.parse_args(arguments)
    choose = random.Random(options.seed)
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    failures = []
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        library = compile_clock(Path(folder))
        with _use_case(Path(folder) / "undisturbed", options.params, library) as use_case:
            started = time.monotonic()
            if exit_code := use_case.start().wait():
                raise SystemExit(f"The undisturbed run ended with {exit_code}:\n{use_case.read_output()}")
            seconds = time.monotonic() - started
            expected = use_case.result()
            print(f"undisturbed: {seconds:.1f} s", *use_case.find_leftovers(), flush=True)
        for number in range(options.runs):
            name = options.only or list(FAULTS)[number % len(FAULTS)]
            with _use_case(Path(folder) / f"run-{number}", options.params, library) as use_case:
                description, broken = _run_with_fault(use_case, name, choose, seconds, expected)
            counts[name, "broken" if broken else "held"] += 1
            failures += [f"run {number}, {name} ({description}): {fault}" for fault in broken]
            print(f"run {number}: {name} ({description}): {'; '.join(broken) or 'held'}", flush=True)
    _print_counts(counts, failures)
    return 1 if failures else 0


def _run_with_fault(
    use_case: UseCase, name: str, choose: random.Random, seconds: float, expected: dict
) -> tuple[str, list[str]]:
    """Run a use case with a fault at a random time, then without faults.

    Returns
    -------
    description : str
        What the fault did, and the exit code of the run.
    broken : list of str
        What did not hold.
    """
    process = use_case.start_piped() if name == "closed output" else use_case.start()
    description = "ended before the fault"
    try:
        process.wait(choose.uniform(0.5, 0.7 * seconds))
    except subprocess.TimeoutExpired:
        with contextlib.suppress(psutil.NoSuchProcess):
            description = FAULTS[name](use_case, psutil.Process(process.pid), choose)
    try:
        exit_code = process.wait(use_case.TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return description, ["the run hung"]
    description += f", exit code {exit_code}"
    try:
        broken = use_case.find_false_records(exit_code)
        use_case.resume()
        result = use_case.result()
    except Exception as error:
        return description, [f"{type(error).__name__}: {error}"]
    if result["predictions"] != expected["predictions"]:
        broken.append("other predictions")
    if len(result["production"]) != 1 or result["served"] not in result["production"]:
        broken.append(f"production {result['production']}, served {result['served']}")
    return description, broken + use_case.find_leftovers()


@contextlib.contextmanager
def _use_case(folder: Path, params: str, library: str) -> Iterator[UseCase]:
    """Yield a use case on a disk of its own, in memory."""
    folder.mkdir()
    with small_disk(folder, _DISK_MEGABYTES):
        try:
            yield UseCase(folder, params, library)
        finally:
            _end_processes(folder)


def _end_processes(folder: Path) -> None:
    """Kill the processes that a broken run has left."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SOAK_CLOCK", "").startswith(f"{folder}/"):
                process.kill()


def _print_counts(counts: collections.Counter[tuple[str, str]], failures: list[str]) -> None:
    print("\n| fault | held | broken |\n|---|---|---|")
    for name in FAULTS:
        print(f"| {name} | {counts[name, 'held']} | {counts[name, 'broken']} |")
    print(f"| all | {sum(n for (_, state), n in counts.items() if state == 'held')} | {len(failures)} failures |")
    for failure in failures:
        print(failure)


if __name__ == "__main__":
    sys.exit(main())
