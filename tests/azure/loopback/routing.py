"""Which function answers a call: routes by method, host and path template, the most specific first."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from .messages import Call, Reply

# Any workspace matches: one that is not there has to be refused as Azure does, not as a missing route.
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

    def described(self, parameters: dict[str, str]) -> str:
        """The same for one call: an ``operation`` is part of it by its value, any other parameter by its name."""
        return str(self).replace("{operation:path}", parameters.get("operation", ""))

    @property
    def order(self) -> tuple[int, int, int]:
        """Sorts what leaves less open to the front."""
        literal = re.sub(r"{[^}]*}", "", self.template)
        return (self.template.count(":path}"), self.template.count("{"), -len(literal))


class Routes:
    """The routes of one service, gathered by a decorator."""

    def __init__(self, host: str):
        self.host = host
        self.routes: list[Route] = []

    def on(self, methods: str, *templates: str) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
        """Answer these methods (``"GET PUT"``) at these templates; ``{name:path}`` spans slashes."""

        def register(handler: Callable[..., Reply]) -> Callable[..., Reply]:
            for template in templates:
                for method in methods.split():
                    path = compiled(template.replace("{WS}", WORKSPACE))
                    self.routes.append(Route(method, self.host, template, handler, path, compiled(self.host)))
            return handler

        return register


def compiled(template: str) -> re.Pattern[str]:
    """Regular expression of a template, its parameters as named groups."""
    parts = re.split(r"({\w+(?::path)?})", template)
    found = []
    for part in parts:
        if not part.startswith("{"):
            found.append(re.escape(part))
        elif part.endswith(":path}"):
            found.append(f"(?P<{part[1:-6]}>.*)")
        else:
            found.append(f"(?P<{part[1:-1]}>[^/]+)")
    return re.compile("".join(found), re.IGNORECASE)


class Router:
    """Finds the route of a call."""

    def __init__(self, services: Iterable[Routes]):
        self.routes = sorted((route for service in services for route in service.routes), key=lambda route: route.order)
        self.hosts = {route.host_pattern for route in self.routes}

    def knows_host(self, host: str) -> bool:
        return any(pattern.fullmatch(host) for pattern in self.hosts)

    def find(self, call: Call) -> tuple[Route | None, dict[str, str]]:
        """Route of a call and the parameters in its host and path; None where there is none."""
        for route in self.routes:
            if route.method != call.method:
                continue
            host, path = route.host_pattern.fullmatch(call.host), route.pattern.fullmatch(call.raw_path)
            if host and path:
                groups = host.groupdict() | path.groupdict()
                return route, {name: unquote(value) for name, value in groups.items()}
        return None, {}
