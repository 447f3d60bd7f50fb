"""The entry point of a job, which executes one notebook with papermill. The file ``job.json`` names the notebook.

The job runs ``python -m lib.backends.azureml.notebook_job`` in the folder of its snapshot. The files in
``outputs/`` are uploaded: the executed notebook and, after a failure, the exception of the cell.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

JOB_FILE, OUTPUTS_FOLDER, FAILURE_FILE = "job.json", "outputs", "failure.json"
_KERNEL_START_TIMEOUT_SECONDS = 300


def main() -> int:
    """Execute the notebook.

    Returns
    -------
    int
        Exit code: 1 if a cell raised an exception, otherwise 0.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    root = Path.cwd()
    job = json.loads((root / JOB_FILE).read_text(encoding="utf-8"))
    outputs = root / OUTPUTS_FOLDER
    outputs.mkdir(exist_ok=True)
    # The kernel is a process of its own, so it needs the import path in its environment.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    # papermill logs each cell and the cell's output. The machine that submitted the job reads this log.
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    logging.getLogger("papermill").setLevel(logging.INFO)
    started = time.perf_counter()
    print(f"{job['notebook']} starts on {os.uname().nodename}, Python {sys.version.split()[0]}", flush=True)
    try:
        papermill.execute_notebook(
            job["notebook"],
            str(outputs / job["executed"]),
            job["parameters"],
            kernel_name="python3",
            cwd=str(root),
            progress_bar=False,
            log_output=True,
            start_timeout=_KERNEL_START_TIMEOUT_SECONDS,
        )
    except PapermillExecutionError as error:
        failure = {
            "name": error.ename,
            "text": error.evalue,
            "traceback": error.traceback,
            "cell": error.exec_count,
            "source": error.source,
        }
        (outputs / FAILURE_FILE).write_text(json.dumps(failure), encoding="utf-8")
        print(f"cell {error.exec_count} failed: {error.ename}: {error.evalue}", flush=True)
        return 1
    print(f"{job['notebook']} took {time.perf_counter() - started:.1f} seconds", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
