"""AutoML runs: models trained in the image of AutoML's jobs, each recorded as a child run when it is finished."""

import json
import traceback
import uuid
from pathlib import Path
from typing import Any

from . import mltable
from .jobs import JobFailed, environment, prepare_image, take_node
from .processes import Process
from .store import Run, milliseconds

POLL_SECONDS = 0.5
LOWER_IS_BETTER = ("log_loss", "error")


def execute(
    azure, run: Run, definition: dict[str, Any], settings: dict[str, Any], table: mltable.Source | None = None
) -> None:
    """Execute an AutoML run to its end. `table` is the training data of SDK version 2."""
    cluster = azure.store.cluster(run.dto["target"])
    try:
        prepare_image(azure, run, {})
        azure.tracking.set_status(run, "Queued")
        if take_node(azure, cluster, run):
            try:
                azure.tracking.set_status(run, "Running")
                train(azure, run, definition, settings, table)
            finally:
                cluster.release_node(run)
        azure.tracking.set_status(run, "Canceled" if run.cancelled.is_set() else "Completed")
    except JobFailed as failure:
        azure.tracking.set_status(run, "Failed", failure.error)
    except Exception:
        azure.record_failure(traceback.format_exc())
        azure.tracking.set_status(run, "Failed", {"code": "LoopbackError", "message": traceback.format_exc()})


def train(azure, run: Run, definition: dict[str, Any], settings: dict[str, Any], table: mltable.Source | None) -> None:
    folder = azure.folder / "jobs" / run.id
    folder.mkdir(parents=True)
    if table:
        try:
            settings = settings | {"training_files": table.download(azure, folder / "data")}
        except mltable.TableNotReadable as error:
            raise JobFailed("UserError", str(error)) from None
    (folder / "settings.json").write_text(json.dumps(settings))
    command = [str(azure.python), "-m", "loopback_automl.training", "settings.json"]
    run.process = Process(command, folder / "log.txt", folder, environment(azure, run, definition, folder))
    scores: dict[str, float] = {}
    running = True
    while running:
        running = run.process.popen.poll() is None
        result = folder / str(len(scores)) / "result.json"
        while result.exists():
            child = add_child(azure, run, settings, len(scores), result)
            scores[child.id] = azure.tracking.metrics(child)[settings["primary_metric"]]
            result = folder / str(len(scores)) / "result.json"
        if run.cancelled.wait(POLL_SECONDS):
            run.process.stop()
            return
    azure.put_artifact(run, "user_logs/std_log.txt", (folder / "log.txt").read_bytes())
    if run.process.popen.returncode:
        last = run.process.read_log()[-2000:]
        raise JobFailed("UserError", f"AutoML failed: exit code {run.process.popen.returncode}.\n{last}")
    lower = settings["primary_metric"].endswith(LOWER_IS_BETTER)
    best = (min if lower else max)(scores, key=lambda child: scores[child])
    log(azure, run, azure.tracking.metrics(azure.store.runs[best]))
    run.dto["properties"] |= {"best_child_run_id": best, "best_score": str(scores[best])}
    azure.tracking.set_tags(run, {"automl_best_child_run_id": best, "best_score": str(scores[best])})


def add_child(azure, parent: Run, settings: dict[str, Any], iteration: int, result: Path) -> Run:
    model = json.loads(result.read_text())
    run_id = f"{parent.id}_{iteration}"
    place = f"aml://artifact/ExperimentRun/dcid.{run_id}/outputs"
    score = model["metrics"][settings["primary_metric"]]
    child = azure.tracking.create_run(
        run_id, parent.experiment, parentRunId=parent.id, rootRunId=parent.id, target=parent.dto["target"],
        primaryMetricName=settings["primary_metric"],
        properties={
            "runTemplate": "automl_child", "pipeline_id": uuid.uuid4().hex, "iteration": str(iteration),
            "score": str(score), "primary_metric": settings["primary_metric"], "run_preprocessor": "StandardScaler",
            "run_algorithm": model["algorithm"], "fit_time": str(model["fit_seconds"]), "training_percent": "100",
            "goal": f"{settings['primary_metric']}_{'min' if 'error' in settings['primary_metric'] else 'max'}",
            "predicted_cost": "0", "dependencies_versions": "{}", "model_output_path": "outputs/model.pkl",
            "model_name": f"AutoML{parent.id.removeprefix('AutoML_')[:9]}{iteration}",
            "model_data_location": f"{place}/model.pkl",
            "conda_env_data_location": f"{place}/conda_env_v_1_0_0.yml",
            "scoring_data_location": f"{place}/scoring_file_v_2_0_0.py",
        },
    )  # fmt: skip
    child.executed = True
    azure.tracking.set_status(child, "Running")
    log(azure, child, model["metrics"])
    for file in sorted((result.parent / "outputs").rglob("*")):
        if file.is_file():
            azure.put_artifact(child, str(file.relative_to(result.parent)), file.read_bytes())
    azure.tracking.set_status(child, "Completed")
    return child


def log(azure, run: Run, scores: dict[str, float]) -> None:
    numbers = [{"key": key, "value": value, "timestamp": milliseconds()} for key, value in scores.items()]
    azure.tracking.log_metrics(run, numbers)
