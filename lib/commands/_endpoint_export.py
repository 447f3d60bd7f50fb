"""The action ``endpoint export``: a folder that serves a version elsewhere."""

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
    """Write the folder that ``--to`` names, and print what to do with it.

    Parameters
    ----------
    options : argparse.Namespace
        ``to``, and ``version``: the version to export, by default the one in production.
    backend : Backend
    parameters : Parameters
        Settings of the endpoint.
    name : str
        Name of the use case.

    Raises
    ------
    ParameterError
        If ``--to`` is missing.
    GateError, NameNotFound
        If no version is in production, or there is no such version.
    """
    if not options.to:
        raise ParameterError(f"Name the folder to write: {command('endpoint', 'export', name, '--to', 'DIR')}")
    from lib.backends.local.endpoint import list_logged_columns
    from lib.commands._batch_model import choose_registered_version
    from lib.exporting.folder import check_target, write_folder
    from lib.serving.exported import Export
    from lib.stages.deploy import describe_version

    target = resolve(options.to)
    check_target(target)
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
