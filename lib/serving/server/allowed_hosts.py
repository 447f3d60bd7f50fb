"""The hosts by which clients may address an endpoint, and the pages that may call it.

A web page of another site can send a browser to this machine by a name of its own (DNS rebinding). Such a request bears
that name in its ``Host``, or the site in its ``Origin``, and is refused.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import socket

from lib.scoring.request_error import RequestError

_HOST = re.compile(rb"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_ORIGIN = re.compile(rb"https?://(.+)")
ANY_HOST = "*"


class AllowedHosts:
    """The hosts by which clients may address an endpoint.

    IP addresses and the machine's own names are always allowed.

    Attributes
    ----------
    names : frozenset of str
        Further names, in lower case; ``"*"`` allows all.
    """

    def __init__(self, names: frozenset[str] = frozenset()):
        self.names = names

    def check(self, headers: dict[bytes, bytes]) -> None:
        """Check the headers ``Host`` and ``Origin`` of a request.

        Raises
        ------
        RequestError
            With status 421 if the host is not allowed, and 403 if a page of another site sent the request.
        """
        host = headers.get(b"host", b"")
        name = _parse_host(host)
        if not self._is_allowed(name):
            raise RequestError(
                421, "wrong_host", "This endpoint is not known by this host name. Add it to endpoint_allowed_hosts."
            )
        origin = headers.get(b"origin")
        if origin is not None:
            site = _ORIGIN.fullmatch(origin)
            if site is None or (site[1] != host and _parse_host(site[1]) not in self.names):
                raise RequestError(403, "cross_origin", "Pages of other sites may not call this endpoint.")

    def _is_allowed(self, name: str) -> bool:
        return bool(name) and (_is_own_name(name) or name in self.names or ANY_HOST in self.names)


@functools.lru_cache(256)
def _parse_host(host: bytes) -> str:
    """Return the name in a header ``Host`` in lower case, without the port; empty if it is malformed."""
    match = _HOST.fullmatch(host)
    return match[1].decode().strip("[]").rstrip(".").lower() if match else ""


@functools.lru_cache(256)
def _is_own_name(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return name in ("localhost", socket.gethostname().lower())
