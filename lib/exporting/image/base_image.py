"""An image with Python, in the OCI image layout, on which the layers of an endpoint are put."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import DataError
from lib.exporting.image.archive import INDEX_FILE, INDEX_TYPE, LAYOUT_FILE, blob_name
from lib.exporting.image.layer import MEDIA_TYPE, Blob
from lib.exporting.image.staging import python_name

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MUSL = re.compile(r"(^|/)lib/ld-musl-[^/]+$")
# Docker's names for types of the OCI specification.
_OCI_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": MEDIA_TYPE,
    "application/vnd.docker.distribution.manifest.list.v2+json": INDEX_TYPE,
}
_MAX_JSON_BYTES = 2**22
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_HOW_TO_GET = "For example: skopeo copy docker://python:3.11-slim oci-archive:base.tar"


def machine_architecture() -> str:
    """Return the architecture of this machine as images name it, such as ``amd64``."""
    return _MACHINES.get(platform.machine(), platform.machine())


@dataclass(frozen=True)
class BaseImage:
    """An image.

    Attributes
    ----------
    config : dict
        The image configuration.
    layers : list of Blob
        The layers, lowest first.
    python : str
        Path of Python in the image.
    """

    config: dict[str, Any]
    layers: list[Blob]
    python: str


def read_base_image(layout: Path, scratch: Path) -> BaseImage:
    """Read an image for this machine.

    Parameters
    ----------
    layout : Path
        An archive or a folder in the OCI image layout.
    scratch : Path
        A folder for the blobs of the image.

    Raises
    ------
    DataError
        If the layout cannot be read, contains no image for this machine, or the image lacks this version of Python.
    """
    try:
        _unpack_layout(layout, scratch)
        manifest = _find_manifest(scratch)
        config = json.loads(_read_blob(scratch, manifest["config"]["digest"]))
        layers = [
            Blob(_find_blob(scratch, layer["digest"]), layer["digest"], _oci_type(layer["mediaType"]), diff_id)
            for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
        ]
        names = [name for layer in layers for name in _list_names(layer.path)]
    except (OSError, KeyError, TypeError, ValueError, tarfile.TarError) as error:
        raise DataError(
            f"--base: {layout} cannot be read as an image in the OCI image layout ({type(error).__name__}: {error}). "
            f"{_HOW_TO_GET}"
        ) from error
    return BaseImage(config, layers, _find_python(layout, config, names))


def _unpack_layout(layout: Path, scratch: Path) -> None:
    """Copy the files of a layout, with no other names than the specification has."""
    if layout.is_dir():
        for name in (LAYOUT_FILE, INDEX_FILE):
            shutil.copyfile(layout / name, scratch / name)
        shutil.copytree(layout / "blobs" / "sha256", scratch / "blobs" / "sha256")
        return
    with tarfile.open(layout) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isfile() and re.fullmatch(r"oci-layout|index\.json|blobs/sha256/[0-9a-f]{64}", name):
                source = archive.extractfile(member)
                assert source is not None, "the member is a file"
                (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                with source, (scratch / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    json.loads((scratch / LAYOUT_FILE).read_bytes())


def _find_manifest(scratch: Path) -> dict[str, Any]:
    """Return the manifest of the image for this machine.

    Raises
    ------
    ValueError
        If there is none.
    """
    pending = list(json.loads((scratch / INDEX_FILE).read_bytes())["manifests"])
    while pending:
        descriptor = pending.pop(0)
        described = descriptor.get("platform", {})
        if described.get("architecture", machine_architecture()) != machine_architecture():
            continue
        content = json.loads(_read_blob(scratch, descriptor["digest"]))
        if _oci_type(descriptor["mediaType"]) == INDEX_TYPE:
            pending += content["manifests"]
            continue
        config = json.loads(_read_blob(scratch, content["config"]["digest"]))
        if (config.get("os"), config.get("architecture")) == ("linux", machine_architecture()):
            return content
    raise ValueError(f"it contains no image for linux/{machine_architecture()}")


def _find_blob(scratch: Path, digest: str) -> Path:
    """Return the file of a blob, after verifying its digest."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:100]!r} is not a SHA-256")
    path = scratch / blob_name(digest)
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != f"sha256:{actual}":
        raise ValueError(f"the blob {digest} is damaged")
    return path


def _read_blob(scratch: Path, digest: str) -> bytes:
    path = _find_blob(scratch, digest)
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise ValueError(f"the blob {digest} is not a manifest")
    return path.read_bytes()


def _list_names(layer: Path) -> Iterator[str]:
    with tarfile.open(layer) as archive:
        yield from (member.name.removeprefix("./") for member in archive)


def _oci_type(media_type: str) -> str:
    return _OCI_TYPES.get(media_type, media_type)


def _find_python(layout: Path, config: dict[str, Any], names: list[str]) -> str:
    if any(map(_MUSL.search, names)):
        raise DataError(
            f"--base: {layout} is an image with musl, such as Alpine, for which the packages of this machine do not "
            f"work. Choose an image with glibc. {_HOW_TO_GET}"
        )
    pythons = sorted(name for name in names if name.endswith(f"bin/{python_name()}"))
    if not pythons:
        raise DataError(f"--base: {layout} contains no {python_name()}. Choose an image with it. {_HOW_TO_GET}")
    # /usr/local is first on the PATH of the official images.
    preferred = [name for name in pythons if name.startswith("usr/local/")]
    return f"/{(preferred or pythons)[0]}"
