"""A call as it came in, and the reply to it."""

import json
import re
import time
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from . import names


@dataclass
class Call:
    """A request, decrypted."""

    method: str
    host: str
    target: str  # path and query, as sent
    headers: dict[str, str]  # by name in small letters
    body: bytes = b""

    @property
    def raw_path(self) -> str:
        return urlsplit(self.target).path

    @property
    def path(self) -> str:
        return unquote(self.raw_path)

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters by name; of one that is repeated, the first."""
        pairs = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in pairs.items()}

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}

    @property
    def bearer(self) -> str:
        """The token of the Authorization header; empty where it holds none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass
class Reply:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON reply; an underscore in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json; charset=utf-8"} | named)


class Refused(Exception):
    """Raised by a route to answer with an error."""

    def __init__(self, status: int, code: str, message: str, **headers: str):
        super().__init__(message)
        self.reply = reply(error(status, code, message), status, **headers)


def error(status: int, code: str, message: str) -> dict[str, Any]:
    """An error as ARM and the workspace's own services both write it."""
    return {
        "error": {"code": code, "message": message, "details": [], "innerError": None},
        "correlation": {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]},
        "environment": names.LOCATION,
        "location": names.LOCATION,
        "time": now(),
        "componentName": "loopback",
        "statusCode": status,
    }


def not_found(what: str) -> Refused:
    return Refused(404, "NotFound", what)


def now(offset_seconds: float = 0) -> str:
    """Time as the services write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.0000000+00:00", time.gmtime(time.time() + offset_seconds))


def page(items: list[Any]) -> Reply:
    """The one page of a list."""
    return reply({"value": items, "continuationToken": None, "nextLink": None})


def merge_patch(target: dict[str, Any], changes: dict[str, Any]) -> None:
    """RFC 7396 without the deletions: dictionaries merge, anything else is replaced; a null changes nothing."""
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            merge_patch(target[name], value)
        elif value is not None:
            target[name] = value


def matches(pattern: str, text: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, text, re.IGNORECASE)
