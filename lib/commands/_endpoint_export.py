"""The action ``endpoint export``: a folder, and a container image, that serve a version elsewhere."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lib.errors import ParameterError
from lib.invocation import command, format_path
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters


def export_endpoint(options: argparse.Namespace, backend: Backend, parameters: Parameters, name: str) -> None:
    """Write the folder that ``--to`` names and the image that ``--image`` names, and print what to do with them.

    Parameters
    ----------
    options : argparse.Namespace
        ``to``; ``image`` and ``base``; and ``version``: the version to export, by default the one in production.
    backend : Backend
    parameters : Parameters
        Settings of the endpoint.
    name : str
        Name of the use case.

    Raises
    ------
    ParameterError
        If ``--to`` is missing, or ``--base`` is given without ``--image``.
    GateError, NameNotFound
        If no version is in production, or there is no such version.
    """
    if not options.to:
        raise ParameterError(f"Name the folder to write: {command('endpoint', 'export', name, '--to', 'DIR')}")
    from lib.backends.local.endpoint import list_logged_columns
    from lib.commands._batch_model import choose_registered_version
    from lib.exporting.folder import check_target, write_folder
    from lib.exporting.image.build import build_image, check_image
    from lib.serving.exported import Export
    from lib.stages.deploy import describe_version

    target = resolve(options.to)
    check_target(target)
    image, base = (resolve(path) if path else None for path in (options.image, options.base))
    if image is not None:
        check_image(image, base)
    elif base is not None:
        raise ParameterError("--base: an image to put the endpoint on needs --image, the file to write.")
    version = choose_registered_version(backend, name, options.version)
    folder = backend.tracking.model_folder(version.source, version.sha256)
    export = Export(
        name=name,
        version=version.version,
        sha256=version.sha256,
        about=describe_version(version, parameters),
        workers=parameters.endpoint_workers,
        timeout_seconds=parameters.endpoint_timeout_seconds,
        allowed_hosts=list(parameters.endpoint_allowed_hosts),
        request_log={
            "on": parameters.request_log,
            "columns": list(list_logged_columns(folder, parameters)),
            "megabytes": parameters.request_log_megabytes,
        },
    )
    write_folder(target, folder, export)
    readme = format_path(target / "README.md")
    print(f"Version {version.version} of {name} is in {display_path(target)}. {readme} says how to serve it.")
    if image is not None:
        digest = build_image(target, image, base)
        size_megabytes = image.stat().st_size / 1e6
        print(f"Its container image is in {display_path(image)}: {size_megabytes:.0f} MB, {digest}")
