"""The log of requests that were not answered with status 200, one record each, with the request's id."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

log = logging.getLogger("lib.serving")
# More failures in a second are counted and not logged one by one, so that a client cannot fill the log.
MAX_PER_SECOND = 10
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FailureLog:
    """Logs failed requests, at most `MAX_PER_SECOND`."""

    def __init__(self) -> None:
        self._second = 0
        self._count = 0

    def note(self, request_id: bytes, route: str, version: str, status: int, code: str, seconds: float) -> None:
        """Log a failed request.

        Parameters
        ----------
        request_id : bytes
            The id that the answer returned.
        route, version : str
            The route of the request, and the version of the model that answered.
        status : int
            HTTP status of the answer.
        code : str
            The code of the error; empty if the model's worker answered with it.
        seconds : float
            Time from the head of the request to its answer.
        """
        second = int(time.monotonic())
        if second != self._second:
            skipped_count = self._count - MAX_PER_SECOND
            if skipped_count > 0:
                log.warning("%d further requests were not answered with status 200.", skipped_count)
            self._second, self._count = second, 0
        self._count += 1
        if self._count <= MAX_PER_SECOND:
            facts = {"request_id": request_id.decode(), "route": route, "version": version, "status": status}
            facts |= {"code": code, "milliseconds": round(1000 * seconds, 1)}
            level = logging.ERROR if status >= 500 else logging.WARNING
            log.log(level, "A request was answered with status %d.", status, extra=facts)


class JsonFormatter(logging.Formatter):
    """A formatter that writes each record as a JSON object on a line: time, level, message and the record's facts.

    >>> record = logging.makeLogRecord({"levelname": "INFO", "msg": "Live.", "created": 0.0, "request_id": "a1"})
    >>> JsonFormatter().format(record)
    '{"time": "1970-01-01T00:00:00.000Z", "level": "INFO", "message": "Live.", "request_id": "a1"}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        content: dict[str, Any] = {
            "time": f"{seconds}.{int(record.created % 1 * 1000):03}Z",
            "level": record.levelname,
            "message": record.getMessage(),
        }
        content |= {name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES}
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False, default=str)
