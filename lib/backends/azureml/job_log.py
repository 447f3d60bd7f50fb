"""The log of a running job."""

from __future__ import annotations

from collections.abc import Callable

import requests

from lib.backends.azureml.error_translation import retry
from lib.backends.azureml.job import Job

_TIMEOUT_SECONDS = 30


class LogReader:
    """A reader that reports each line of a job's log once.

    Parameters
    ----------
    job : Job
    report : callable
        Receives each complete line.
    """

    def __init__(self, job: Job, report: Callable[[str], None]):
        self._job, self._report = job, report
        self._bytes_read = 0

    def report_new_lines(self) -> None:
        """Report the complete lines that were added since the last call."""
        url = retry(self._job.details, f"read the log of job {self._job.id}").log_url
        if url is None:
            return
        response = requests.get(url, headers={"Range": f"bytes={self._bytes_read}-"}, timeout=_TIMEOUT_SECONDS)
        if response.status_code not in (200, 206):
            # The log has no new bytes (416), or there is no log yet. The whole log is downloaded after the job's end.
            return
        new_bytes = response.content if response.status_code == 206 else response.content[self._bytes_read :]
        complete_lines = new_bytes[: new_bytes.rfind(b"\n") + 1]
        self._bytes_read += len(complete_lines)
        for line in complete_lines.decode("utf-8", "replace").splitlines():
            if line.strip():
                self._report(line)
