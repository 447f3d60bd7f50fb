"""The open connections of an endpoint: their number is limited, and those that exceed a time limit are closed."""

from __future__ import annotations

import logging
import resource
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.serving.server.http_protocol import LimitedProtocol

log = logging.getLogger("lib.serving")

MAX_CONNECTIONS = 8192
# Descriptors that are kept free for workers, logs and the router's own files.
_RESERVED_DESCRIPTORS = 128
_REPORT_SECONDS = 60.0

# How far a connection is trusted. An idle connection of the lowest level is the first to be closed.
SENT_NOTHING, SENT_REQUEST, SENT_KEY = 0, 1, 2


def raise_descriptor_limit() -> int:
    """Raise this process's limit of open files as far as it may, and return how many connections that allows."""
    soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _RESERVED_DESCRIPTORS
    new_limit = max(soft_limit, wanted if hard_limit == resource.RLIM_INFINITY else min(wanted, hard_limit))
    resource.setrlimit(resource.RLIMIT_NOFILE, (new_limit, hard_limit))
    return min(MAX_CONNECTIONS, new_limit - _RESERVED_DESCRIPTORS)


class ConnectionLimit:
    """The open connections of a server. If there are too many, the oldest idle one of the least trust is closed.

    Parameters
    ----------
    max_connections : int
        Maximum number of open connections.

    Attributes
    ----------
    refusal_counts : dict of str to int
        Number of refused requests and connections by reason.
    """

    def __init__(self, max_connections: int):
        self.max_connections = max_connections
        self.refusal_counts: dict[str, int] = {}
        self._open: set[LimitedProtocol] = set()
        # Idle connections by trust, in the order in which they became idle.
        self._idle: tuple[dict[LimitedProtocol, None], ...] = ({}, {}, {})
        self._reported_at = -_REPORT_SECONDS

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: LimitedProtocol) -> None:
        """Add a new connection, and close another connection if there are too many."""
        self._open.add(connection)
        self.set_idle(connection)
        if len(self._open) > self.max_connections:
            self.count_refusal("too many connections")
            evicted = self._least_useful(connection)
            self.remove(evicted)
            evicted.abort()

    def _least_useful(self, new: LimitedProtocol) -> LimitedProtocol:
        """Return the connection to close in favour of a new one; the new one itself if no other is idle."""
        idle = (connection for connections in self._idle for connection in connections)
        return next((connection for connection in idle if connection is not new), new)

    def remove(self, connection: LimitedProtocol) -> None:
        """Remove a connection that was closed."""
        self._open.discard(connection)
        self.set_busy(connection)

    def set_idle(self, connection: LimitedProtocol) -> None:
        """Note that a connection has no request to answer."""
        self._idle[connection.trust][connection] = None

    def set_busy(self, connection: LimitedProtocol) -> None:
        """Note that a request of a connection is being answered."""
        self._idle[connection.trust].pop(connection, None)

    def close_expired(self) -> None:
        """Close the connections that have exceeded a time limit; called every second or two."""
        now = time.monotonic()
        for connection in [connection for connection in self._open if connection.deadline < now]:
            connection.expire()

    def count_refusal(self, reason: str) -> None:
        """Count a refused request or connection. The log gets the counts once a minute, not each refusal."""
        self.refusal_counts[reason] = self.refusal_counts.get(reason, 0) + 1
        if time.monotonic() > self._reported_at + _REPORT_SECONDS:
            self._reported_at = time.monotonic()
            counts = ", ".join(f"{reason}: {count}" for reason, count in self.refusal_counts.items())
            log.warning("Refused requests and connections so far: %s.", counts)
