"""Execute a run again from its own record, in a scratch workspace, and say whether it gives the same predictions."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib.backends.local import relocation
from lib.chain import record as records
from lib.chain.yaml_text import to_yaml
from lib.errors import DataError
from lib.evidence import identity, verifier
from lib.evidence.replay_comparison import Difference, compare_runs
from lib.evidence.replay_workspace import copy_champion, find_champion
from lib.paths import ROOT, display_path, resolve

if TYPE_CHECKING:
    import numpy as np

_DIFFERENT = 1
_STAGES = ("evaluate", "train", "automl", "preprocess")  # the last ones first; deployments are not repeated
_MAX_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("run", metavar="RUN", help="folder of a run, such as runs/20261130-120000-flights")
    parser.add_argument(
        "--tolerance", type=float, default=0.0, help="absolute difference of scores and predictions to accept (0)"
    )
    parser.add_argument("--scratch", metavar="FOLDER", help="keep the replay in this folder (default: a temporary one)")


def execute(options: argparse.Namespace) -> int:
    """Replay a run; return 0 if it is identical or within the tolerance, else 1."""
    folder = resolve(options.run)
    state = records.read(folder)
    try:
        manifest = verifier.read_manifest(folder)
    except ValueError as error:
        raise DataError(f"{display_path(folder)} cannot be replayed: {error}") from error
    if manifest["mlflow"] is None or not manifest["mlflow"]["runs"]:
        raise DataError(
            f"{display_path(folder)} cannot be replayed: its models are not in a workspace on this machine."
        )
    if changed := _find_changed_data(manifest):
        print(
            "\n".join(f"different: {name} {change} since the run, so the data is another." for name, change in changed)
        )
        return _DIFFERENT
    for note in _describe_versions(state):
        print(note)
    if options.scratch:
        return _replay(folder, state, manifest, resolve(options.scratch), options.tolerance)
    with tempfile.TemporaryDirectory(prefix="replay-") as scratch:
        return _replay(folder, state, manifest, Path(scratch), options.tolerance)


def _replay(
    folder: Path, state: Mapping[str, Any], manifest: Mapping[str, Any], scratch: Path, tolerance: float
) -> int:
    """Execute the run again, compare it, and print the verdict."""
    code = _provide_code(state, manifest, scratch)
    parameters = yaml.safe_load((folder / records.PARAMETERS).read_text(encoding="utf-8"))
    workspace = resolve(parameters["workspace"])
    last = _find_last_stage(state)
    if last == "evaluate" and (champion := find_champion(manifest["mlflow"])):
        versions = manifest["mlflow"]["versions"]
        copy_champion(workspace, scratch / "workspace", parameters["name"], champion, versions)
        # At once, so that nothing in the copy can name a file of the original.
        roots = [(folder / "artifacts").as_uri() for folder in (workspace, scratch / "workspace")]
        relocation.rewrite_uris(scratch / "workspace" / "mlflow.db", *roots)
    replayed_run = _execute_again(parameters, state, code, scratch, last)
    original = verifier.read_mlflow(workspace / "mlflow.db", folder.name)["runs"]
    replayed = verifier.read_mlflow(scratch / "workspace" / "mlflow.db", replayed_run.name)["runs"]
    differences = compare_runs(original, replayed)
    differences += _compare_predictions(original, replayed, parameters, scratch / "workspace")
    return _print_verdict(folder, differences, tolerance, last)


def _print_verdict(folder: Path, differences: list[Difference], tolerance: float, last: str) -> int:
    """Print whether a replay is identical, within the tolerance or different, and where first; return the exit code."""
    name = display_path(folder)
    compared = f"rows, parameters, scores and predictions up to {last}"
    if not differences:
        print(f"identical: the replay of {name} repeats all {compared}.")
        return 0
    largest = max(difference.size for difference in differences)
    if largest <= tolerance:
        print(f"within tolerance: the replay of {name} differs by at most {largest:.3g} (accepted: {tolerance:g}).")
        return 0
    first = next(difference for difference in differences if difference.size > tolerance)
    print(f"different: the replay of {name} differs first in {first}")
    for difference in [other for other in differences if other is not first][:_MAX_SHOWN]:
        print(f"  {difference}")
    return _DIFFERENT


def _find_changed_data(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the name of each input file of the run that has changed or is missing, and what happened to it."""
    changed = []
    for name, sha256 in manifest["files"][verifier.DATA].items():
        file = resolve(name)
        if not file.is_file():
            changed.append((name, "is missing"))
        elif verifier.hash_file(file) != sha256:
            changed.append((name, "has changed"))
    return changed


def _describe_versions(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each package whose version is another than in the run."""
    before = state.get("started_by", {}).get("versions", {})
    after = identity.list_versions()
    for package in sorted({*before} & {*after}):
        if before[package] != after[package]:
            yield f"{package} is {after[package]} now; it was {before[package]} in the run."


def _find_changed_code(root: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Return the files of the project that are other than in the run."""
    sealed = manifest["files"][verifier.PROJECT]
    return [
        name
        for name, sha256 in sealed.items()
        if not (root / name).is_file() or verifier.hash_file(root / name) != sha256
    ]


def _provide_code(state: Mapping[str, Any], manifest: Mapping[str, Any], scratch: Path) -> Path:
    """Return a folder with the code of the run: this project, or its commit extracted from git.

    Raises
    ------
    DataError
        If the code of the run is neither here nor in git.
    """
    if not _find_changed_code(ROOT, manifest):
        return ROOT
    git = state.get("started_by", {}).get("git") or {}
    if "commit" not in git:
        raise DataError("The code has changed since the run, and the run does not say from which commit it came.")
    code = scratch / "code"
    code.mkdir(parents=True, exist_ok=True)
    archive = scratch / "code.tar"
    command = ["git", "archive", "--output", str(archive), git["commit"]]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        raise DataError(f"git cannot extract the commit {git['commit']} of the run: {result.stderr.strip()}")
    shutil.unpack_archive(archive, code, filter="data")
    if other := _find_changed_code(code, manifest):
        raise DataError(
            f"The run used code that was not committed, and that has changed since: {', '.join(other[:_MAX_SHOWN])}."
        )
    print(f"The code has changed since the run: replaying with the commit {git['commit'][:12]}.")
    return code


def _find_last_stage(state: Mapping[str, Any]) -> str:
    """Return the last stage that the run finished, apart from deployments."""
    finished = {entry["stage"].partition(" ")[0] for entry in state["stages"] if entry["status"] in records.DONE}
    finished |= {entry["stage"] for entry in state["stages"] if entry["status"] == records.HELD}
    return next((stage for stage in _STAGES if stage in finished), "preprocess")


def _execute_again(
    parameters: Mapping[str, Any], state: Mapping[str, Any], code: Path, scratch: Path, last: str
) -> Path:
    """Execute the stages of the run up to `last` with its parameters, and return the folder of the new run."""
    scratch.mkdir(parents=True, exist_ok=True)
    values = {name: value for name, value in parameters.items() if name != "run_name"}
    values |= {
        "workspace": str(scratch / "workspace"),
        "runs_folder": str(scratch / "runs"),
        "notify": {},
        "signing_key": "",
        **_recorded_threads(parameters, state),
        **_absolute_files(values, code),
    }
    if code != ROOT:  # an older release does not know newer parameters
        known = yaml.safe_load((code / "parameters" / "base.yaml").read_text(encoding="utf-8"))
        values = {name: value for name, value in values.items() if name in known}
    file = scratch / "parameters.yaml"
    file.write_text(to_yaml(values), encoding="utf-8")
    command = [sys.executable, str(code / "run_all.py"), "--params", str(file), "--to", last]
    result = subprocess.run(command, cwd=code, capture_output=True, text=True, check=False)
    runs = records.list_newest_first(scratch / "runs")
    if not runs or (result.returncode and records.read(runs[0])["status"] == records.FAILED):
        raise DataError(f"The replay failed:\n{result.stderr.strip()[-2000:]}")
    return runs[0]


def _recorded_threads(parameters: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, int]:
    """Return the threads and parallel notebooks of the run, which depended on the cores of its machine."""
    cores = state.get("started_by", {}).get("machine", {}).get("cores")
    if not cores:
        return {}
    return {
        "threads": parameters.get("threads") or cores,
        "max_parallel_notebooks": parameters.get("max_parallel_notebooks") or cores,
    }


def _absolute_files(parameters: Mapping[str, Any], code: Path) -> dict[str, Any]:
    """Return the table as an absolute path if the code is elsewhere, because relative paths begin at the code."""
    data = str(parameters.get("data", ""))
    return {"data": str(resolve(data))} if code != ROOT and data and resolve(data).exists() else {}


def _compare_predictions(
    original: Mapping[str, Any], replayed: Mapping[str, Any], parameters: Mapping[str, Any], scratch_workspace: Path
) -> Iterator[Difference]:
    """Compare the predictions of each model on all test rows of the run."""
    before = _find_models(original)
    after = _find_models(replayed)
    for name in sorted({*before} & {*after}):
        places = [(parameters["workspace"], *before[name]), (str(scratch_workspace), *after[name])]
        predictions = [_predict({**parameters, "workspace": place}, run_id, facts) for place, run_id, facts in places]
        if difference := _first_difference(name, *predictions):
            yield difference


def _find_models(runs: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return id and facts of each MLflow run that logged a model, by stage and name."""
    return {
        " ".join(dict.fromkeys([facts["tag"]["stage"], facts["run"]["name"]])): (run_id, facts)
        for run_id, facts in runs.items()
        if "model_sha256" in facts["tag"] and facts["run"]["status"] == "FINISHED"
    }


def _predict(parameters: Mapping[str, Any], run_id: str, facts: Mapping[str, Any]) -> np.ndarray:
    """Return the predictions of the model of an MLflow run for its test rows, one row each."""
    import numpy as np

    from lib import backends, metrics
    from lib.parameters import Parameters

    values = Parameters(parameters)
    backend = backends.connect(values)
    source, sha256 = backend.tracking.model_source(backend.tracking.candidate_run(run_id))
    model = backend.tracking.load_model(backend.tracking.model_folder(source, sha256))
    rows = backend.read_table(facts["parameter"]["test_data"]).drop(columns=values.target_column)
    predictions = metrics.predict(model, rows, values.task, values.positive_class)
    answers = predictions.labels if predictions.probabilities is None else predictions.probabilities
    return np.asarray(answers)


def _first_difference(name: str, before: np.ndarray, after: np.ndarray) -> Difference | None:
    """Return the first row in which predictions differ, with the largest difference of all rows; None if all agree."""
    import numpy as np

    if before.shape != after.shape:
        return Difference(name, "the number of predictions", str(before.shape), str(after.shape))
    differs = before != after
    if before.dtype.kind == "f":
        differs &= ~(np.isnan(before) & np.isnan(after))
    rows = np.flatnonzero(differs.reshape(len(before), -1).any(axis=1))
    if not len(rows):
        return None
    if before.dtype.kind not in "fiu":
        return Difference(name, f"the prediction for test row {rows[0]}", str(before[rows[0]]), str(after[rows[0]]))
    distances = np.abs(before - after).reshape(len(before), -1)
    row, column = np.unravel_index(int(np.nanargmax(distances)), distances.shape)
    values = [float(array.reshape(len(before), -1)[row, column]) for array in (before, after)]
    return Difference(name, f"the prediction for test row {row} (of {len(rows)} that differ)", *values)
