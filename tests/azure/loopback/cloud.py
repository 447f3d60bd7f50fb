"""The loopback Azure: the servers that it starts and stops, and the replies to calls."""

import shutil
import sys
import tempfile
from pathlib import Path

from . import certificates, names
from .blobs import Blobs
from .faults import Faults
from .journal import Journal
from .messages import Call, ErrorReply, Reply
from .processes import base_environment, image_python
from .proxy import Proxy
from .registry import Registry
from .routes import artifact, datastore, environment, router
from .routing import SCOPE, Route
from .store import Run, Store
from .tokens import Tokens
from .tracking import Tracking

# Paths that need no token.
OPEN = ("/discovery", "/metadata/endpoints")


class LoopbackAzure:
    """A tenant, a subscription and a workspace on this machine.

    Use it as a context manager, or call ``stop()`` to end everything that it started.
    """

    def __init__(self, folder: Path | None = None, journal_file: Path | None = None):
        self.folder = folder or Path(tempfile.mkdtemp(prefix="loopback-azure-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store, self.tokens, self.faults = Store(), Tokens(), Faults()
        self.journal = Journal(journal_file)
        self.router = router()
        self.blobs = Blobs(self.folder)
        self.tracking = Tracking(self.store, self.folder)
        self.registry = Registry(self.store, self.tracking, self.blobs)
        self.python = image_python(self.folder / "image")
        self.python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
        self.failures: list[str] = []
        self.identity_secrets: set[str] = set()
        self.store.datastores[datastore.DEFAULT] = datastore.default_datastore(self.blobs.key)
        self.store.datastores[datastore.ARTIFACTS] = datastore.artifact_datastore(self.blobs.key)
        self.store.environments[environment.CURATED] = environment.curated()
        self.authority, context = certificates.make(self.folder)
        self.proxy = Proxy(self, context)
        self.url = self.proxy.start()

    def __enter__(self) -> "LoopbackAzure":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all processes and remove their files."""
        for run in self.store.runs.values():
            run.cancelled.set()
            if run.process:
                run.process.stop()
        for endpoint in self.store.endpoints.values():
            for deployment in endpoint.deployments.values():
                if deployment.process:
                    deployment.process.stop()
        self.proxy.shutdown()
        self.proxy.server_close()
        self.tracking.stop()
        self.blobs.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def warm_up(self) -> None:
        """Start the servers that SDK clients need, without waiting for them."""
        for server in (self.blobs.azurite, self.tracking.server):
            assert server.process

    def answer(self, call: Call, route: Route, parameters: dict[str, str]) -> Reply:
        """Check the token and the workspace of a call, and return the reply of its route."""
        if call.host in (names.ARM_HOST, names.API_HOST) and not call.path.startswith(OPEN):
            if not self.tokens.is_valid(call.bearer):
                message = "The access token is missing, has expired or is not for this resource."
                raise ErrorReply(
                    401, "ExpiredAuthenticationToken", message, WWW_Authenticate='Bearer error="invalid_token"'
                )
        if "{WS}" in route.template:
            scope = [parameters.pop(name) for name in SCOPE]
            if scope[0].lower() != names.SUBSCRIPTION:
                raise ErrorReply(404, "SubscriptionNotFound", f"The subscription '{scope[0]}' could not be found.")
            if scope[1].lower() != names.RESOURCE_GROUP:
                raise ErrorReply(404, "ResourceGroupNotFound", f"Resource group '{scope[1]}' could not be found.")
            if scope[2].lower() != names.WORKSPACE:
                raise ErrorReply(
                    404, "ResourceNotFound", f"The Resource 'Microsoft.MachineLearningServices/workspaces/{scope[2]}' "
                    f"under resource group '{scope[1]}' was not found.",
                )  # fmt: skip
        return route.handler(self, call, **parameters)

    def record_failure(self, traceback: str) -> None:
        """Record a failure of the loopback itself outside of a reply."""
        self.failures.append(traceback)

    def artifacts(self, run: Run) -> list[str]:
        """Return the paths of a run's artifacts."""
        return artifact.stored_paths(self, artifact.RUN_ORIGIN, run.container)

    def artifact_uri(self, run: Run, path: str) -> str:
        return self.blobs.sas_uri(names.ARTIFACT_CONTAINER, f"{artifact.RUN_ORIGIN}/{run.container}/{path}")

    def put_artifact(self, run: Run, path: str, content: bytes) -> None:
        self.blobs.put(names.ARTIFACT_CONTAINER, f"{artifact.RUN_ORIGIN}/{run.container}/{path}", content)
        self.store.artifacts.setdefault((artifact.RUN_ORIGIN, run.container), {})[path] = {}

    def cancel(self, run: Run) -> None:
        """Cancel a run and its child runs."""
        run.cancelled.set()
        if not run.executed and not run.ended:
            self.tracking.set_status(run, "Canceled")
        for child in list(self.store.runs.values()):
            if child.dto["parentRunId"] == run.id:
                self.cancel(child)

    def network_environment(self, home: Path) -> dict[str, str]:
        """Return the environment variables of a process that can reach only this Azure."""
        proxies = ("https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY")
        return base_environment() | dict.fromkeys(proxies, self.url) | {
            "no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost",
            # For requests and libraries based on it; then for the native reader, urllib and httpx.
            "REQUESTS_CA_BUNDLE": str(self.authority), "SSL_CERT_FILE": str(self.authority),
            # The SDK caches discovered addresses and uploaded snapshots in HOME.
            "HOME": str(home), "AZURE_CONFIG_DIR": str(home / ".azure"), "MLFLOW_DISABLE_TELEMETRY": "true",
        }  # fmt: skip

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment variables of a process that logs in as the service principal."""
        return self.network_environment(home) | {
            "AZURE_TENANT_ID": names.TENANT, "AZURE_CLIENT_ID": names.CLIENT,
            "AZURE_CLIENT_SECRET": names.CLIENT_SECRET,
        }  # fmt: skip
