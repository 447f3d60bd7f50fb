"""Steady load on an endpoint, counted by phase and outcome, to find operations that make requests fail."""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator

_MIN_ANSWERS_PER_PHASE = 20
_VERSION_PREFIX = "version "


class SteadyLoad:
    """Clients that send requests without a pause.

    All clients but one keep their connection. The last one opens a new connection for each request.

    Parameters
    ----------
    url : str
    body : bytes
        JSON body of each POST request.
    get_key : callable
        Returns the current key with a name, ``primary`` or ``secondary``.
    clients : int, default 4

    Attributes
    ----------
    key_name : str
        Name of the key that the clients use.
    counts : dict of str to Counter
        The outcomes of each phase: the version that answered, e.g. ``version 1``, or the failure.
    """

    def __init__(self, url: str, body: bytes, get_key: Callable[[str], str], clients: int = 4):
        self._url, self._body, self._get_key = urllib.parse.urlsplit(url), body, get_key
        self._clients = clients
        self._phase = "before"
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self.counts: dict[str, collections.Counter[str]] = {}
        self.key_name = "primary"

    @contextlib.contextmanager
    def running(self) -> Iterator[SteadyLoad]:
        """Send requests while the block runs."""
        threads = [
            threading.Thread(target=self._run_client, args=[number < self._clients - 1])
            for number in range(self._clients)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[collections.Counter[str]]:
        """Count outcomes under a name while the block runs, and then for 20 more answers."""
        with self._changed:
            self._phase = name
            counts = self.counts.setdefault(name, collections.Counter())
        yield counts
        self.wait_for_answers(_MIN_ANSWERS_PER_PHASE)

    def wait_for_answers(self, number: int) -> None:
        """Wait for a number of further answers."""
        with self._changed:
            target = self._total() + number
        self.wait_until(lambda: self._total() >= target)

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float = 300) -> None:
        """Wait until a condition on `counts` holds.

        Raises
        ------
        TimeoutError
            If no answer arrives before the timeout.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while not condition():
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(
                        f"phase {self._phase}: still waiting after {timeout_seconds:g} s; outcomes: {self.counts}"
                    )

    @property
    def failed(self) -> dict[str, int]:
        """The number of each failure, in all phases together."""
        total = sum(self.counts.values(), collections.Counter())
        return {outcome: count for outcome, count in total.items() if not outcome.startswith(_VERSION_PREFIX)}

    def _total(self) -> int:
        return sum(counts.total() for counts in self.counts.values())

    def _run_client(self, keeps_connection: bool) -> None:
        """Send requests until the load stops. A connection is not reused after an error."""
        connection = None
        while not self._stop.is_set():
            phase = self._phase
            connection = connection or http.client.HTTPConnection(str(self._url.hostname), self._url.port, timeout=60)
            try:
                outcome, failed = self._send(connection), False
            except Exception as error:
                outcome, failed = repr(error), True
            if failed or not keeps_connection:
                connection.close()
                connection = None
            with self._changed:
                self.counts.setdefault(phase, collections.Counter())[outcome] += 1
                self._changed.notify_all()

    def _send(self, connection: http.client.HTTPConnection) -> str:
        """Send a request, and return its outcome."""
        # Read the key just before sending it: a request fails only if its key was valid when it was sent.
        key = self._get_key(self.key_name)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        connection.request("POST", self._url.path, self._body, headers)
        response = connection.getresponse()
        content = json.loads(response.read())
        if response.status != 200:
            return f"status {response.status}"
        return f"{_VERSION_PREFIX}{content['model']['version']}"
