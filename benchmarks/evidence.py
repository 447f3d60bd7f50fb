"""How long sealing a run takes, and whether runs replay to equal predictions.

Run it with ``make bench ARGS=evidence``. Each run of an example trains four functions; a replay repeats all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

from lib.commands import main as run_command
from lib.evidence import manifest, verifier

FUNCTIONS = ("linear", "random_forest", "gradient_boosting", "xgboost")
RUNS = (("penguins", 42), ("penguins", 7), ("bike-hours", 42), ("bike-hours", 7), ("flights", 42))


def run_example(example: str, seed: int, folder: Path) -> Path:
    """Run an example up to evaluate, and return the run's folder."""
    values = {
        "seed": seed,
        "training_functions": f"[{', '.join(FUNCTIONS)}]",
        "workspace": folder / "workspace",
        "runs_folder": folder / "runs",
    }
    assignments = [option for name, value in values.items() for option in ("-p", f"{name}={value}")]
    call(["--params", f"parameters/{example}.yaml", "--to", "evaluate", *assignments])
    (run,) = filter(Path.is_dir, (folder / "runs").iterdir())
    return run


def call(arguments: list[str]) -> str:
    """Execute a command without its output, and return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        run_command(arguments)
    return printed.getvalue()


def measure_seal(run: Path, workspace: Path) -> float:
    """Return the seconds that sealing a run again takes."""
    sealed = json.loads((run / verifier.MANIFEST).read_text())["files"]
    inputs = [verifier_path for name in sealed[verifier.DATA] if (verifier_path := Path(name)).is_file()]
    outputs = sorted((workspace / "data").rglob("*.parquet"))
    started = time.perf_counter()
    manifest.seal(run, workspace, inputs, outputs)
    return time.perf_counter() - started


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    examples = list(dict.fromkeys(example for example, _ in RUNS))
    parser.add_argument("--examples", nargs="+", default=examples, choices=examples, help="the examples to run")
    options = parser.parse_args()
    runs = [(example, seed) for example, seed in RUNS if example in options.examples]
    identical = 0
    print(f"{'example':<12}{'seed':>6}{'run, s':>9}{'replay, s':>11}{'seal, s':>9}  verdict")
    for example, seed in runs:
        with tempfile.TemporaryDirectory(prefix="evidence-") as folder:
            started = time.perf_counter()
            run = run_example(example, seed, Path(folder))
            run_seconds, started = time.perf_counter() - started, time.perf_counter()
            verdict = call(["replay", str(run)]).strip()
            replay_seconds = time.perf_counter() - started
            seal_seconds = measure_seal(run, Path(folder) / "workspace")
        identical += len(FUNCTIONS) * verdict.startswith("identical")
        print(
            f"{example:<12}{seed:>6}{run_seconds:>9.1f}{replay_seconds:>11.1f}{seal_seconds:>9.2f}  "
            f"{verdict.splitlines()[-1][:120]}",
            flush=True,
        )
    print(f"{identical} of {len(FUNCTIONS) * len(runs)} trained models replay to equal predictions")


if __name__ == "__main__":
    main()
