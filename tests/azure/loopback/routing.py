"""Routes by method, host and path template; the most specific route handles a call."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from .messages import Call, Reply

# Any workspace name matches, so that a missing workspace gets Azure's error instead of a missing route.
WORKSPACE = (
    "/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
SCOPE = ("subscription", "group", "workspace")


@dataclass(frozen=True)
class Route:
    """One line of the contract: ``GET management.azure.com {WS}/computes/{name}``."""

    method: str
    host: str
    template: str
    handler: Callable[..., Reply]
    pattern: re.Pattern[str]
    host_pattern: re.Pattern[str]

    def __str__(self) -> str:
        return f"{self.method} {self.host} {self.template}"

    def describe(self, parameters: dict[str, str]) -> str:
        """Return the contract line of a call. Only an ``operation`` appears with its value instead of its name."""
        return str(self).replace("{operation:path}", parameters.get("operation", ""))

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key that puts specific routes first."""
        literal = re.sub(r"{[^}]*}", "", self.template)
        return (self.template.count(":path}"), self.template.count("{"), -len(literal))


class Routes:
    """The routes of one service."""

    def __init__(self, host: str):
        self.host = host
        self.routes: list[Route] = []

    def on(self, methods: str, *templates: str) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
        """Register a handler for methods (``"GET PUT"``) and templates. ``{name:path}`` matches slashes, too."""

        def register(handler: Callable[..., Reply]) -> Callable[..., Reply]:
            for template in templates:
                for method in methods.split():
                    path = compile_template(template.replace("{WS}", WORKSPACE))
                    self.routes.append(Route(method, self.host, template, handler, path, compile_template(self.host)))
            return handler

        return register


def compile_template(template: str) -> re.Pattern[str]:
    """Compile a template to a regular expression with its parameters as named groups."""
    parts = re.split(r"({\w+(?::path)?})", template)
    expressions = []
    for part in parts:
        if not part.startswith("{"):
            expressions.append(re.escape(part))
        elif part.endswith(":path}"):
            expressions.append(f"(?P<{part[1:-6]}>.*)")
        else:
            expressions.append(f"(?P<{part[1:-1]}>[^/]+)")
    return re.compile("".join(expressions), re.IGNORECASE)


class Router:
    """All routes."""

    def __init__(self, services: Iterable[Routes]):
        self.routes = sorted((route for service in services for route in service.routes), key=lambda route: route.order)
        self.hosts = {route.host_pattern for route in self.routes}

    def knows_host(self, host: str) -> bool:
        return any(pattern.fullmatch(host) for pattern in self.hosts)

    def find(self, call: Call) -> tuple[Route | None, dict[str, str]]:
        """Return the route of a call (or None) and the parameters in its host and path."""
        for route in self.routes:
            if route.method != call.method:
                continue
            host, path = route.host_pattern.fullmatch(call.host), route.pattern.fullmatch(call.raw_path)
            if host and path:
                groups = host.groupdict() | path.groupdict()
                return route, {name: unquote(value) for name, value in groups.items()}
        return None, {}
