"""Service discovery: all services of the workspace are on one host."""

from .. import names
from ..messages import Call, Reply, reply
from ..routing import Routes

routes = Routes(names.API_HOST)

SERVICES = (
    "api", "catalog", "experimentation", "gallery", "history", "hyperdrive", "labeling", "modelmanagement",
    "notebooks", "pipelines", "studio",
)  # fmt: skip


@routes.on("GET", "/discovery", "/discovery/{rest:path}")
def services(azure, call: Call, rest: str = "") -> Reply:
    return reply({service: f"https://{names.API_HOST}" for service in SERVICES})
