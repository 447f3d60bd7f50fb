"""A bad model: the gates refuse it, and a version whose answers fail loses its traffic again."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pandas as pd

from lib.backends.local.files import local_path
from lib.chain import record as records
from lib.errors import DataError
from lib.scoring.model_folder import compute_digest
from lib.simulation.failing_model import make_failing_copy
from lib.simulation.rows import draw_rows
from lib.simulation.use_case import SimulatedUseCase, wait_until

DESCRIPTION = (
    "The true values of the training rows get mixed up, and the chain trains a model on them. Then a version is "
    "deployed that passes its first test and fails later, as if somebody had gone around the gates."
)
_REQUESTS = 300
_GATE_EXIT_CODES = (0, 3)


def run(use_case: SimulatedUseCase) -> None:
    """Train a model on mixed-up true values, and deploy a failing one."""
    use_case.deploy()
    _train_bad_model(use_case)
    _deploy_failing_model(use_case)


def _train_bad_model(use_case: SimulatedUseCase) -> None:
    timeline, champion = use_case.timeline, use_case.champion.version
    _mix_up_training_rows(use_case)
    finished = use_case.run("--from", "train")
    folder = use_case.newest_run()
    assert folder is not None, "the chain has started"
    timeline.saw(f"The chain ended with exit code {finished.exit_code}.")
    entries = [entry for entry in records.read(folder)["stages"] if entry["stage"] == "evaluate"]
    decision: dict[str, Any] = entries[-1] if entries else {}
    text = decision.get("outputs", {}).get("decision") or decision.get("error") or "evaluate did not run"
    text = text.splitlines()[0]
    timeline.saw(f"The decision: {text}")
    use_case.keep_page(folder / "report.html", "Report of the run with the bad model")
    production = use_case.registry.production()
    now = production.version if production else "none"
    timeline.check(
        "The gates refuse the model.",
        finished.exit_code in _GATE_EXIT_CODES and now == champion,
        f"Version {now} is in production, as before: {text}" if now == champion else f"Version {now} is in production.",
    )
    served = use_case.endpoint.status().version
    timeline.check("The endpoint serves the same version.", served == champion, f"It serves version {served}.")


def _mix_up_training_rows(use_case: SimulatedUseCase) -> None:
    """Permute the target in the prepared training table of the copy."""
    name, target = use_case.parameters.name, use_case.parameters.target_column
    uri = use_case.backend.tracking.newest_output(name, "preprocess", "train_data")
    if not uri:
        raise DataError(
            f"No run of {name} has prepared training rows, so no model can be trained. Run the chain first."
        )
    path = local_path(uri)
    count = 0
    for file in [path] if path.is_file() else sorted(path.rglob("*.parquet")):
        rows = pd.read_parquet(file, partitioning=None)
        order = np.random.default_rng(0).permutation(len(rows))
        rows.assign(**{target: rows[target].to_numpy()[order]}).astype({target: rows[target].dtype}).to_parquet(file)
        count += len(rows)
    use_case.timeline.did(f"Mixed up the true values of {count:,} training rows, and started the chain from train on.")


def _deploy_failing_model(use_case: SimulatedUseCase) -> None:
    timeline, champion, endpoint = use_case.timeline, use_case.champion, use_case.endpoint
    rows, _ = use_case.test_rows
    model_folder = use_case.backend.tracking.model_folder(champion.source, champion.sha256)
    failing = use_case.folder / "failing-model"
    make_failing_copy(model_folder, failing)
    endpoint.deploy(failing, "failing", compute_digest(failing), lambda *arguments: None, {})
    timeline.did("Deployed a version named failing, without a test.")
    timeline.saw(f"The endpoint serves version {endpoint.status().version}.")
    timeline.did(f"Sent {_REQUESTS} requests.")
    with contextlib.closing(use_case.new_client()) as client:
        answers = client.send_rows(draw_rows(rows, 0, _REQUESTS), [f"r-{n}" for n in range(_REQUESTS)])
    failed = sum(not answer.is_success for answer in answers)
    by_version = pd.Series([answer.version for answer in answers]).value_counts()
    timeline.saw(f"Answers by version: {', '.join(f'{name}: {count}' for name, count in by_version.items())}.")
    wait_until(lambda: endpoint.status().version == champion.version, "the endpoint takes the version back")
    event = endpoint.status().events[-1]
    timeline.saw(f"The endpoint: {event}")
    timeline.check(
        "The endpoint takes back a version whose answers fail.",
        "endpoint_max_error_rate" in event and endpoint.status().version == champion.version,
        f"Version {endpoint.status().version} has all traffic: {event}",
    )
    timeline.check("Clients notice nothing.", not failed, f"{failed} of {_REQUESTS} requests failed.")
