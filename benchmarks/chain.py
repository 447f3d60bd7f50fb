"""The cost of notebooks: the chain against the same stages called as functions, and against its peers.

``make bench ARGS=chain`` prints a table. Each contender runs a whole use case in its own process and an empty
workspace. A round has one run of each; ratios compare runs of the same round. Ploomber needs an older Jupyter, so it
has its own environment and starts its kernels in this one.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lib.paths import ROOT

_PLOOMBER = ROOT / "benchmarks" / "ploomber.txt"
Contender = Callable[[str, Path], None]  # runs a use case in a folder
_CONTENDERS = ("plain functions", "run_all.py", "papermill, one after the other", "Ploomber")


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(prog="benchmarks.chain", description=__doc__.splitlines()[0])
    parser.add_argument("--params", default="parameters/flights.yaml", help="the use case (parameters/flights.yaml)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender (5)")
    parser.add_argument("--without", nargs="*", default=[], choices=_CONTENDERS, help="contenders to leave out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-chain-") as folder:
        contenders: dict[str, Contender] = {
            "plain functions": functools.partial(_run_module, "benchmarks._plain_functions"),
            "run_all.py": _run_chain,
            "papermill, one after the other": functools.partial(_run_module, "benchmarks._papermill"),
        }
        if "Ploomber" not in options.without:
            contenders["Ploomber"] = functools.partial(_run_ploomber, _make_ploomber_environment(Path(folder)))
        contenders = {name: run for name, run in contenders.items() if name not in options.without}
        seconds = _measure(contenders, options.params, options.rounds, Path(folder))
        overheads = _idle_notebooks(Path(folder))
    _print_chain(seconds, options)
    print(
        f"\nOne notebook that does nothing for 2 s, kernels preloaded: {statistics.median(overheads):.2f} s more than "
        f"that (median of {len(overheads)}; {min(overheads):.2f} to {max(overheads):.2f})."
    )


def _measure(contenders: dict[str, Contender], params: str, rounds: int, folder: Path) -> dict[str, list[float]]:
    """Return the seconds of each contender in each round; the order rotates, so that none is always first."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            run_folder = Path(tempfile.mkdtemp(dir=folder))
            started = time.perf_counter()
            contenders[name](params, run_folder)
            seconds[name].append(time.perf_counter() - started)
            print(f"round {number + 1}: {name} {seconds[name][-1]:.1f} s", file=sys.stderr)
            _stop_endpoints(run_folder)
    return seconds


def _print_chain(seconds: dict[str, list[float]], options: argparse.Namespace) -> None:
    plain = seconds["plain functions"]
    overheads = {name: [run - base for run, base in zip(runs, plain, strict=True)] for name, runs in seconds.items()}
    print(f"\n{options.params}, medians of {options.rounds} rounds, {os.cpu_count()} cores:\n")
    print("| contender | s | times plain | overhead, s | times our overhead |")
    print("|---|---|---|---|---|")
    for name, runs in seconds.items():
        ratio = statistics.median(run / base for run, base in zip(runs, plain, strict=True))
        row = [name, f"{statistics.median(runs):.1f}", f"{ratio:.2f}"]
        if name == "plain functions":
            row += ["", ""]
        else:
            ours = statistics.median(overheads["run_all.py"])
            overhead = statistics.median(overheads[name])
            row += [f"{overhead:.1f}", f"{overhead / ours:.1f}" if ours > 0 else "(we have none)"]
        print(f"| {' | '.join(row)} |")


def _idle_notebooks(folder: Path, count: int = 10) -> list[float]:
    """Return the overhead in seconds of notebooks that sleep for 2 s in forked kernels."""
    from lib.chain import engine, kernel_pool

    sleep = "import time\nfrom lib.pipelines import get_pipeline\ntime.sleep(2)"
    cells = [("nothing: int = 0  # a parameter", ["parameters"]), (sleep, [])]
    cells.append(("from lib import outputs\noutputs.glue({'nothing_more': nothing})", []))
    notebook = folder / "sleeps.ipynb"
    content = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {"tags": tags},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, (source, tags) in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    notebook.write_text(json.dumps(content))
    seconds = []
    kernel_pool.kernels.prepare(1)
    for _ in range(count + 1):
        started = time.perf_counter()
        engine.execute(notebook, folder / "slept.ipynb", {"nothing": 1}, ROOT)
        seconds.append(time.perf_counter() - started - 2)
    kernel_pool.kernels.close()
    return seconds[1:]  # the first one waits for the imports


def _arguments(params: str, folder: Path) -> list[str]:
    return ["--params", params, "-p", f"workspace={folder / 'workspace'}", "-p", f"runs_folder={folder / 'runs'}"]


def _run_chain(params: str, folder: Path) -> None:
    _run([sys.executable, "run_all.py", *_arguments(params, folder)])


def _run_module(module: str, params: str, folder: Path) -> None:
    _run([sys.executable, "-m", module, params, str(folder)])


def _run(command: list[str], **options: object) -> None:
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)
    if finished.returncode:
        message = f"{' '.join(command)} ended with {finished.returncode}"
        raise SystemExit(f"{message}:\n{finished.stdout}\n{finished.stderr}")


def _stop_endpoints(folder: Path) -> None:
    endpoints = folder / "workspace" / "endpoints"
    for endpoint in endpoints.iterdir() if endpoints.exists() else []:
        stop = ["run_all.py", "endpoint", "stop", endpoint.name, "-p", f"workspace={folder / 'workspace'}"]
        _run([sys.executable, *stop])


def _make_ploomber_environment(folder: Path) -> Path:
    """Make an environment with Ploomber and return its Python."""
    uv = [str(Path(sys.executable).with_name("uv"))]
    index = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    ).stdout.strip()
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1", **({"UV_DEFAULT_INDEX": index} if index else {})}
    python = folder / "ploomber" / "bin" / "python"
    _run([*uv, "venv", "--python", sys.executable, str(folder / "ploomber")], env=environment)
    _run([*uv, "pip", "install", "--python", str(python), "--requirement", str(_PLOOMBER)], env=environment)
    return python


def _run_ploomber(python: Path, params: str, folder: Path) -> None:
    """Run the same notebooks as a pipeline; each finds its inputs in the workspace, as when opened by hand."""
    from benchmarks import _values

    kernel = folder / "jupyter" / "kernels" / "this-environment"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.joinpath("kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "this environment", "language": "python"})
    )
    parameters = _values.load_parameters(params, folder)
    tasks: list[dict] = []
    for notebook, values in _values.executions(parameters):
        name = f"{notebook.stage}-{values.get('training_function', '')}".strip("-").replace("_", "-")
        copy = folder / "notebooks" / f"{name}.ipynb"
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(_with_upstream(notebook.path.read_text(encoding="utf-8")))
        task = {"source": str(copy), "name": name, "product": {"nb": str(folder / "out" / f"{name}.ipynb")}}
        upstream = [tasks[-1]["name"]] if tasks else []
        tasks.append({**task, "params": values, "upstream": upstream, "kernelspec_name": "this-environment"})
    pipeline = {"meta": {"extract_upstream": False, "extract_product": False}, "tasks": tasks}
    (folder / "pipeline.yaml").write_text(json.dumps(pipeline))
    environment = {**os.environ, "JUPYTER_PATH": str(folder / "jupyter"), "PYTHONPATH": str(ROOT)}
    environment["PLOOMBER_STATS_ENABLED"] = "false"
    finished = subprocess.run(
        [str(python.with_name("ploomber")), "build"], cwd=folder, env=environment, capture_output=True, text=True
    )
    if finished.returncode:
        output = f"{finished.stdout[-3000:]}\n{finished.stderr[-3000:]}"
        raise SystemExit(f"Ploomber ended with {finished.returncode}:\n{output}")


def _with_upstream(text: str) -> str:
    """Return a notebook with the two additional parameters that Ploomber requires."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = "".join(cell["source"]) + "\nupstream = None\nproduct = None"
    return json.dumps(notebook)


if __name__ == "__main__":
    main()
