"""The entry of a job: it executes the one notebook that ``job.json`` names, as papermill does on a laptop.

It travels in the job's snapshot and runs as ``python -m lib.backends.azureml.notebook_job`` in the snapshot's folder. What it
leaves in ``outputs/`` comes back: the executed notebook and, where a cell failed, what it raised.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

ASKED, OUTPUTS, FAILURE = "job.json", "outputs", "failure.json"
_START_SECONDS = 300


def main() -> int:
    """Execute the notebook.

    Returns
    -------
    int
        0, or 1 where a cell raised.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    root = Path.cwd()
    asked = json.loads((root / ASKED).read_text(encoding="utf-8"))
    executed = root / OUTPUTS / asked["executed"]
    executed.parent.mkdir(exist_ok=True)
    # A kernel starts in the notebook's folder and is a process of its own.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    # papermill tells its log which cell runs and what it prints; whoever follows the job reads it.
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    logging.getLogger("papermill").setLevel(logging.INFO)
    started = time.perf_counter()
    print(f"{asked['notebook']} starts on {os.uname().nodename}, Python {sys.version.split()[0]}", flush=True)
    try:
        papermill.execute_notebook(
            asked["notebook"],
            str(executed),
            asked["parameters"],
            kernel_name="python3",
            cwd=str(root),
            progress_bar=False,
            log_output=True,
            start_timeout=_START_SECONDS,
        )
    except PapermillExecutionError as error:
        failure = {"name": error.ename, "text": error.evalue, "cell": error.exec_count, "source": error.source}
        (root / OUTPUTS / FAILURE).write_text(json.dumps(failure), encoding="utf-8")
        print(f"cell {error.exec_count} failed: {error.ename}: {error.evalue}", flush=True)
        return 1
    print(f"{asked['notebook']} took {time.perf_counter() - started:.1f} seconds", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
