"""The layers and the configuration of an image that serves an exported folder.

The image has the folder in ``/app``, with its packages in ``/app/.venv``. Python is that of a base image, or a copy of
this machine's with the system libraries that it needs. The server runs as a user without rights; its keys and logs are
in the volume ``/var/lib/millrace``.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import DataError
from lib.exporting.image import staging
from lib.exporting.image.archive import write_archive
from lib.exporting.image.base_image import machine_architecture, read_base_image
from lib.exporting.image.layer import Blob, LayerContents
from lib.exporting.image.shared_libraries import find_shared_libraries
from lib.invocation import EXPORTED_PROGRAM
from lib.serving.exported import DEFAULT_PORT, DESCRIPTION_FILE, FOLDER_VARIABLE

USER = 65532  # "nonroot" in Google's distroless images
_APP, _STATE = "/app", "/var/lib/millrace"
_ENVIRONMENT = f"{_APP}/.venv"
_OWN_PYTHON = f"/opt/python/bin/{staging.python_name()}"
_CREATED = "1970-01-01T00:00:00Z"  # a date would make each image a different one
_PASSWORDS = f"root:x:0:0::/root:/sbin/nologin\nmillrace:x:{USER}:{USER}::{_STATE}:/sbin/nologin\n"
_GROUPS = f"root:x:0:\nmillrace:x:{USER}:\n"


def build_image(folder: Path, archive: Path, base: Path | None = None) -> str:
    """Build the image of an exported folder. If anything fails, no archive is left.

    Parameters
    ----------
    folder : Path
        A folder that `lib.exporting.folder.write_folder` has written.
    archive : Path
        The file to write, which must not exist.
    base : Path, optional
        An image with Python in the OCI image layout, an archive or a folder.

    Returns
    -------
    str
        The image's digest.

    Raises
    ------
    DataError
        If the system is not Linux, the base image cannot be used, or the system's libraries cannot be listed.
    StageError
        If the packages cannot be installed.
    """
    check_image(archive, base)
    with tempfile.TemporaryDirectory(prefix=f".{archive.name}-", dir=archive.parent) as scratch:
        work = Path(scratch)
        base_image = None
        if base is not None:
            (work / "base").mkdir()
            base_image = read_base_image(base, work / "base")
        packages = work / "packages"
        staging.install_packages(folder / "requirements.txt", packages)
        layers = list(base_image.layers if base_image else [_write_python_layer(work, packages)])
        python = base_image.python if base_image else _OWN_PYTHON
        layers.append(_write_packages_layer(work, packages, python))
        layers.append(_write_endpoint_layer(work, folder))
        description = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        config = _make_config(base_image.config if base_image else {}, layers, description)
        name = re.sub(r"[^a-z0-9]+", "-", description["name"].lower()).strip("-") or "model"
        digest = write_archive(work / "image.tar", layers, config, name, _make_tag(description["version"]))
        (work / "image.tar").rename(archive)
        return digest


def check_image(archive: Path, base: Path | None) -> None:
    """Check that an image can be built, before anything is written.

    Raises
    ------
    DataError
    """
    if sys.platform != "linux":
        raise DataError("--image: an image contains packages of this system, so it can be built on Linux only.")
    if archive.exists() or archive.is_symlink():
        raise DataError(f"--image: {archive} exists. Choose another name, or delete it.")
    if not archive.parent.is_dir():
        raise DataError(f"--image: there is no folder {archive.parent}.")
    if base is not None and not base.exists():
        raise DataError(f"--base: there is no file or folder {base}.")


def _write_python_layer(work: Path, packages: Path) -> Blob:
    """Write a layer with this machine's Python, the system libraries that it and the packages need, and two users."""
    python = work / "python"
    staging.copy_python(python)
    root = Path(_OWN_PYTHON).parents[1]
    compiled_modules = [*staging.list_compiled_modules(python), *staging.list_compiled_modules(packages)]
    libraries = find_shared_libraries(compiled_modules, inside=work)
    staging.compile_sources(python / "lib", f"{root}/lib")
    layer = LayerContents()
    layer.add_tree(str(root)[1:], python)
    for name, file in libraries.items():
        layer.add_file(name[1:], file)
    layer.add_file("etc/passwd", _PASSWORDS.encode())
    layer.add_file("etc/group", _GROUPS.encode())
    layer.add_folder("tmp", 0o1777)
    return layer.write(work / "python.tar.gz")


def _write_packages_layer(work: Path, packages: Path, python: str) -> Blob:
    """Write a layer with a virtual environment, from which the packages are imported."""
    environment = _ENVIRONMENT[1:]
    library = f"{environment}/lib/{staging.python_name()}/site-packages"
    staging.compile_sources(packages, f"/{library}")
    layer = LayerContents()
    layer.add_tree(library, packages)
    layer.add_link(f"{environment}/bin/python", python)
    home = f"home = {Path(python).parent}\ninclude-system-site-packages = false\n"
    layer.add_file(f"{environment}/pyvenv.cfg", home.encode())
    return layer.write(work / "packages.tar.gz")


def _write_endpoint_layer(work: Path, folder: Path) -> Blob:
    """Write a layer with the exported folder, and an empty folder for keys and logs."""
    copy = work / "endpoint"
    shutil.copytree(folder, copy)
    staging.compile_sources(copy / "lib", f"{_APP}/lib")
    layer = LayerContents()
    layer.add_tree(_APP[1:], copy)
    layer.add_folder(_STATE[1:], 0o700, USER)
    return layer.write(work / "endpoint.tar.gz")


def _make_config(base: Mapping[str, Any], layers: list[Blob], description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the image configuration: that of the base image, with the settings of the endpoint."""
    settings = dict(base.get("config") or {})
    variables = dict(line.split("=", 1) for line in settings.get("Env") or [])
    path = variables.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    variables |= {"PATH": f"{_ENVIRONMENT}/bin:{path}", "PYTHONUNBUFFERED": "1", FOLDER_VARIABLE: _STATE}
    settings.pop("Cmd", None)
    settings |= {
        "User": f"{USER}:{USER}",
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Entrypoint": [f"{_ENVIRONMENT}/bin/python", f"{_APP}/{EXPORTED_PROGRAM}", "run", "--host", "0.0.0.0"],
        "ExposedPorts": {f"{DEFAULT_PORT}/tcp": {}},
        "Volumes": {_STATE: {}},
        "WorkingDir": _APP,
        "StopSignal": "SIGTERM",
        "Labels": {
            **(settings.get("Labels") or {}),
            "org.opencontainers.image.title": description["name"],
            "org.opencontainers.image.version": description["version"],
            "millrace.model.sha256": description["sha256"],
        },
    }
    own_layers = layers[len(base.get("rootfs", {}).get("diff_ids", [])) :]
    history = [{"created": _CREATED, "created_by": "run_all.py endpoint export"} for _ in own_layers]
    return {
        **base,
        "architecture": machine_architecture(),
        "os": "linux",
        "created": _CREATED,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [*base.get("history", []), *history],
    }


def _make_tag(version: str) -> str:
    """Return a version as a tag, which may have 128 letters, digits, points, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", version).lstrip(".-")[:128] or "latest"
