"""The archive of an image: a tar file of an OCI image layout, which Podman, Docker, containerd and skopeo read.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.exporting.image.layer import Blob

LAYOUT_FILE, INDEX_FILE = "oci-layout", "index.json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


def blob_name(digest: str) -> str:
    """Return the path of a blob in a layout.

    >>> blob_name("sha256:2b52")
    'blobs/sha256/2b52'
    """
    return f"blobs/{digest.replace(':', '/')}"


def write_archive(path: Path, layers: Sequence[Blob], config: Mapping[str, Any], name: str, tag: str) -> str:
    """Write an archive with one image.

    Parameters
    ----------
    path : Path
        The file to write.
    layers : sequence of Blob
        The layers, lowest first.
    config : mapping
        The image configuration.
    name, tag : str
        Name and tag of the image.

    Returns
    -------
    str
        Digest of the image's manifest, which identifies the image.
    """
    config_blob = _encode(config)
    manifest_blob = _encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _describe(CONFIG_TYPE, _digest(config_blob), len(config_blob)),
            "layers": [_describe(layer.media_type, layer.digest, layer.size) for layer in layers],
        }
    )
    platform = {key: config[key] for key in ("architecture", "os", "variant") if key in config}
    image = _describe(MANIFEST_TYPE, _digest(manifest_blob), len(manifest_blob)) | {
        "platform": platform,
        "annotations": {
            "org.opencontainers.image.ref.name": tag,
            "io.containerd.image.name": f"docker.io/library/{name}:{tag}",
        },
    }
    files: dict[str, bytes | Path] = {
        LAYOUT_FILE: _encode({"imageLayoutVersion": "1.0.0"}),
        INDEX_FILE: _encode({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [image]}),
        # Docker before version 25 reads this file instead of the index.
        "manifest.json": _encode(
            [
                {
                    "Config": blob_name(_digest(config_blob)),
                    "RepoTags": [f"{name}:{tag}"],
                    "Layers": [blob_name(layer.digest) for layer in layers],
                }
            ]
        ),
        blob_name(_digest(manifest_blob)): manifest_blob,
        blob_name(_digest(config_blob)): config_blob,
        **{blob_name(layer.digest): layer.path for layer in layers},
    }
    _write_tar(path, files)
    return _digest(manifest_blob)


def _write_tar(path: Path, files: Mapping[str, bytes | Path]) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
                info = tarfile.TarInfo(name)
                info.size = file.seek(0, io.SEEK_END)
                file.seek(0)
                archive.addfile(info, file)


def _describe(media_type: str, digest: str, size: int) -> dict[str, Any]:
    """Return a content descriptor."""
    return {"mediaType": media_type, "digest": digest, "size": size}


def _encode(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
