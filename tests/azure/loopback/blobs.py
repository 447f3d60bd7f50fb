"""The storage account: Azurite, accessed with the account key."""

import base64
import datetime
import http.client
import os
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import quote, urlencode

from . import names
from .messages import Reply
from .processes import Azurite

# Hop-by-hop headers, and headers that are set again.
NOT_FORWARDED = {"connection", "transfer-encoding", "proxy-connection", "content-length", "keep-alive"}


class Blobs:
    """The containers and blobs of the storage account."""

    def __init__(self, folder: Path):
        self.key = base64.b64encode(os.urandom(64)).decode()
        self.azurite = Azurite(folder, names.STORAGE_ACCOUNT, self.key)
        self.containers: set[str] = set()
        self.lock = threading.RLock()
        self.has_default_containers = False

    def forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        """Forward a request unchanged. The Host header contains the account, so signatures stay valid."""
        self.create_default_containers()
        connection = http.client.HTTPConnection("127.0.0.1", self.azurite.port, timeout=120)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if name not in NOT_FORWARDED:
                connection.putheader(name, value)
        if body or method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        kept = {name.lower(): value for name, value in response.getheaders()}
        for name in NOT_FORWARDED - {"content-length"}:
            kept.pop(name, None)
        return Reply(response.status, content, kept)

    def create_default_containers(self) -> None:
        """Create the containers of a new workspace."""
        with self.lock:
            if not self.has_default_containers:
                self.has_default_containers = True
                for container in (names.BLOBSTORE_CONTAINER, names.ARTIFACT_CONTAINER, names.SNAPSHOT_CONTAINER):
                    self.ensure(container)

    def request(
        self, method: str, path: str, query: dict[str, str] | None = None, body: bytes = b"", **headers
    ) -> Reply:
        """Send a request with the account's own permissions."""
        target = f"/{quote(path)}?{urlencode(query or {})}&{self.account_sas()}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.forward(method, target, {"host": names.BLOB_HOST, "x-ms-version": "2021-12-02"} | named, body)

    def ensure(self, container: str) -> None:
        if container not in self.containers:
            self.request("PUT", container, {"restype": "container"})
            self.containers.add(container)

    def put(self, container: str, path: str, content: bytes) -> None:
        self.ensure(container)
        answer = self.request("PUT", f"{container}/{path}", body=content, x_ms_blob_type="BlockBlob")
        if answer.status != 201:
            raise RuntimeError(f"Azurite: {answer.status} {answer.body[:500]!r}")

    def get(self, container: str, path: str) -> bytes:
        answer = self.request("GET", f"{container}/{path}")
        if answer.status != 200:
            raise FileNotFoundError(f"{container}/{path}: {answer.status}")
        return answer.body

    def list(self, container: str, prefix: str = "") -> list[str]:
        """Return the names of the blobs with a prefix."""
        blob_names, marker = [], ""
        while True:
            query = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
            tree = ElementTree.fromstring(self.request("GET", container, query).body.decode("utf-8-sig"))
            blob_names += [element.text or "" for element in tree.iterfind("Blobs/Blob/Name")]
            marker = tree.findtext("NextMarker") or ""
            if not marker:
                return blob_names

    def download(self, container: str, prefix: str, folder: Path) -> None:
        """Download the blob or the folder at a prefix. The last part of the prefix is kept as a name in `folder`."""
        prefix = prefix.strip("/")
        above = prefix.rpartition("/")[0]
        for name in self.list(container, prefix):
            if name == prefix or not prefix or name.startswith(prefix + "/"):
                file = folder / name[len(above) :].lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(self.get(container, name))

    # azure-storage-blob is imported on demand: tests that store no blobs run without the SDKs.

    def account_sas(self) -> str:
        from azure.storage.blob import generate_account_sas

        return generate_account_sas(
            names.STORAGE_ACCOUNT, self.key, "sco", "rwdlacup", in_an_hour(), protocol="https,http"
        )

    def sas_uri(self, container: str, path: str) -> str:
        """Return a blob's URL with a signature that permits reading and writing for an hour."""
        from azure.storage.blob import generate_blob_sas

        self.ensure(container)
        # Azurite listens on http, so it would reject a signature for https only.
        token = generate_blob_sas(
            names.STORAGE_ACCOUNT, container, path, account_key=self.key, permission="racwd", expiry=in_an_hour(),
            protocol="https,http",
        )  # fmt: skip
        return f"https://{names.BLOB_HOST}/{container}/{quote(path)}?{token}"

    def container_sas_uri(self, container: str) -> str:
        from azure.storage.blob import generate_container_sas

        self.ensure(container)
        token = generate_container_sas(
            names.STORAGE_ACCOUNT, container, account_key=self.key, permission="racwdl", expiry=in_an_hour(),
            protocol="https,http",
        )  # fmt: skip
        return f"https://{names.BLOB_HOST}/{container}?{token}"

    def stop(self) -> None:
        self.azurite.stop()


def in_an_hour() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
