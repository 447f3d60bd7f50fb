"""Logs: what a job prints, told while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from lib.backends.azureml.error_translation import retry

_LOG = "std_log.txt"
_SECONDS = 30


class LogReader:
    """Reads on in a job's log where it stopped.

    Parameters
    ----------
    run : azureml.core.Run
    report : callable
        Gets each whole line once.
    """

    def __init__(self, run: Any, report: Callable[[str], None]):
        self._run, self._report = run, report
        self._told = 0

    def read(self) -> None:
        """Tell what is new."""
        logs = retry(self._run.get_details, f"read the log of job {self._run.id}").get("logFiles") or {}
        uri = next((uri for name, uri in sorted(logs.items()) if name.endswith(_LOG)), None)
        if uri is None:
            return
        answer = requests.get(uri, headers={"Range": f"bytes={self._told}-"}, timeout=_SECONDS)
        if answer.status_code not in (200, 206):
            return  # nothing new (416), or not there yet: the next look will see it, and the whole log is brought last
        text = answer.content if answer.status_code == 206 else answer.content[self._told :]
        whole = text[: text.rfind(b"\n") + 1]
        self._told += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            if line.strip():
                self._report(line)
