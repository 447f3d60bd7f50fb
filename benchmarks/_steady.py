"""Steady load on an endpoint, counted by phase and outcome: does a client notice what is done behind the URL?"""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator


class Steady:
    """Clients that ask without pause, most of them over a connection that they keep.

    Parameters
    ----------
    url : str
        To POST to.
    body : bytes
        What they send.
    key : callable
        The key of a name as it is at the moment.
    clients : int
        How many; the last opens a new connection for each request.

    Attributes
    ----------
    key_name : str
        Which of the two keys they use.
    counts : dict of str to Counter
        By phase: the version that answered, or what went wrong, and how often.
    """

    def __init__(self, url: str, body: bytes, key: Callable[[str], str], clients: int = 4):
        self._parts, self._body, self._key = urllib.parse.urlsplit(url), body, key
        self._clients = clients
        self._phase = "before"
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self.counts: dict[str, collections.Counter] = {}
        self.key_name = "primary"

    @contextlib.contextmanager
    def running(self) -> Iterator[Steady]:
        """Ask while the block runs."""
        threads = [threading.Thread(target=self._ask, args=[at < self._clients - 1]) for at in range(self._clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[collections.Counter]:
        """Count under this name while the block runs, and until some answers more have come."""
        with self._changed:
            self._phase = name
            counts = self.counts.setdefault(name, collections.Counter())
        yield counts
        self.wait_for(lambda: True, more=20)

    def wait_for(self, true: Callable[[], bool], more: int = 0, seconds: float = 300) -> None:
        """Wait until something is true and some answers more have come."""
        deadline = time.monotonic() + seconds
        with self._changed:
            most = self._total() + more
            while not (true() and self._total() >= most):
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"in the phase {self._phase}: {self.counts}")

    @property
    def failed(self) -> dict[str, int]:
        """What was no answer of a version, in all phases."""
        total = sum(self.counts.values(), collections.Counter())
        return {outcome: count for outcome, count in total.items() if not outcome.startswith("version ")}

    def _total(self) -> int:
        return sum(sum(one.values()) for one in self.counts.values())

    def _ask(self, keep: bool) -> None:
        connection = None
        while not self._stop.is_set():
            phase = self._phase
            connection = connection or http.client.HTTPConnection(self._parts.hostname, self._parts.port, timeout=60)
            try:
                # Read last: from now on this request holds a key that was valid when it was sent.
                headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key(self.key_name)}"}
                connection.request("POST", self._parts.path, self._body, headers)
                answer = connection.getresponse()
                content = json.loads(answer.read())
                outcome = (
                    f"version {content['model']['version']}" if answer.status == 200 else f"status {answer.status}"
                )
            except Exception as error:
                outcome, keep_this = repr(error), False
            else:
                keep_this = keep
            if not keep_this and connection is not None:
                connection.close()
                connection = None
            with self._changed:
                self.counts.setdefault(phase, collections.Counter())[outcome] += 1
                self._changed.notify_all()
