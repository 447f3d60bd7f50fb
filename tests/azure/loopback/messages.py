"""Calls and replies."""

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
    """A decrypted request."""

    method: str
    host: str
    target: str  # path and query
    headers: dict[str, str]  # by name in lower case
    body: bytes = b""

    @property
    def raw_path(self) -> str:
        return urlsplit(self.target).path

    @property
    def path(self) -> str:
        return unquote(self.raw_path)

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters by name. Only the first value of a repeated parameter is used."""
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
        """Token of the Authorization header; empty if there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass
class Reply:
    """A response."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """Return a JSON reply. Underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json; charset=utf-8"} | named)


class ErrorReply(Exception):
    """An error that a route raises as its reply."""

    def __init__(self, status: int, code: str, message: str, **headers: str):
        super().__init__(message)
        self.reply = reply(error(status, code, message), status, **headers)


def error(status: int, code: str, message: str) -> dict[str, Any]:
    """Return an error in the format of ARM and the workspace's services."""
    return {
        "error": {"code": code, "message": message, "details": [], "innerError": None},
        "correlation": {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]},
        "environment": names.LOCATION,
        "location": names.LOCATION,
        "time": now(),
        "componentName": "loopback",
        "statusCode": status,
    }


def not_found(what: str) -> ErrorReply:
    return ErrorReply(404, "NotFound", what)


def now(offset_seconds: float = 0) -> str:
    """Return the current time in the format of the services."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.0000000+00:00", time.gmtime(time.time() + offset_seconds))


def page(items: list[Any]) -> Reply:
    """Return a list as a single page."""
    return reply({"value": items, "continuationToken": None, "nextLink": None})


def merge_patch(target: dict[str, Any], changes: dict[str, Any]) -> None:
    """Apply a JSON merge patch (RFC 7396) without deletions: null values are ignored."""
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            merge_patch(target[name], value)
        elif value is not None:
            target[name] = value


def matches(pattern: str, text: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, text, re.IGNORECASE)
