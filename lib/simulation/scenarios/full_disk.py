"""The disk is full: a run ends with one sentence, and the endpoint answers and loses no request of its log."""

from __future__ import annotations

import contextlib

from lib.errors import StorageError
from lib.simulation.faults import full_disk
from lib.simulation.rows import draw_rows
from lib.simulation.use_case import SimulatedUseCase, wait_until

DESCRIPTION = (
    "The copy is on a small disk, which is filled while the endpoint answers requests. The chain is started on the "
    "full disk. Then the disk is freed."
)
SPARE_MEGABYTES = 400
_REQUESTS = 100


def run(use_case: SimulatedUseCase) -> None:
    """Fill the disk, send requests, start the chain, free the disk, and check what happened."""
    rows, _ = use_case.test_rows
    use_case.deploy()
    timeline = use_case.timeline
    with contextlib.closing(use_case.new_client()) as client:
        with full_disk(use_case.folder):
            timeline.did("Filled the disk.")
            answers = client.send_rows(draw_rows(rows, 0, _REQUESTS), [f"full-{n}" for n in range(_REQUESTS)])
            count = sum(answer.is_success for answer in answers)
            timeline.saw(f"The endpoint answered {count} of {_REQUESTS} requests.")
            timeline.check("The endpoint answers on a full disk.", count == _REQUESTS, f"{count} of {_REQUESTS}.")
            wait_until(lambda: "cannot be written" in use_case.endpoint.status().detail, "the endpoint says so")
            timeline.saw("The status of the endpoint says that the request log cannot be written.")
            _run_chain(use_case)
        timeline.did("Freed the disk.")
        answers += client.send_rows(draw_rows(rows, 1, _REQUESTS), [f"free-{n}" for n in range(_REQUESTS)])
    sent = sum(answer.is_success for answer in answers)
    use_case.wait_for_log(sent)
    logged = use_case.count_logged_rows()
    timeline.saw(f"The request log has {logged} rows.")
    timeline.check(
        "The request log loses no request.", logged == sent, f"{sent} requests were answered, and {logged} are logged."
    )
    finished = use_case.run("--from", "preprocess")
    timeline.saw(f"Started again, the chain ended with exit code {finished.exit_code}.")
    timeline.check(
        "With free space, the chain runs again.", finished.exit_code in (0, 3), f"Exit code {finished.exit_code}."
    )


def _run_chain(use_case: SimulatedUseCase) -> None:
    """Start the chain on the full disk, and check how it ends."""
    use_case.timeline.did("Started the chain on the full disk.")
    finished = use_case.run("--from", "preprocess")
    lines = [line for line in finished.errors.splitlines() if line.strip()]
    message = lines[-1] if lines else ""
    use_case.timeline.saw(f"The chain ended with exit code {finished.exit_code}: {message}")
    use_case.timeline.check(
        f"A run ends with exit code {StorageError.exit_code} and a sentence that says what to do.",
        finished.exit_code == StorageError.exit_code and "Traceback" not in finished.errors and "space" in message,
        f"Exit code {finished.exit_code}: {message}",
    )
