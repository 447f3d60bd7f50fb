"""The seal of a run that has ended: a manifest of its files, its data, its code and MLflow's records."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib import backends
from lib.chain import fingerprint
from lib.chain import record as records
from lib.chain.record import RunRecord
from lib.errors import MillraceError
from lib.invocation import PROGRAM
from lib.parameters import Parameters
from lib.paths import display_path, resolve

# The endpoint's sample request is replaced by each deployment, and it can be made again from the test rows.
_REPLACED_OUTPUTS = ("sample_request",)


def seal(record: RunRecord, parameters: Parameters) -> None:
    """Seal a closed run. If that fails, say so on stderr: the run's result stands without its manifest.

    Parameters
    ----------
    record : RunRecord
    parameters : Parameters
        The parameters of the run.
    """
    from lib.evidence import manifest

    is_local = parameters.backend == "local"
    workspace = resolve(parameters.workspace if is_local else parameters.runs_folder)
    try:
        signer = backends.signer(parameters)
        if is_local and (models := manifest.read_models(workspace, record.name)):
            record.add(models=models)
        manifest.seal(record.folder, workspace, _input_files(parameters), _output_files(record), signer)
    except (OSError, sqlite3.Error, MillraceError) as error:
        run = display_path(record.folder)
        print(f"{PROGRAM}: {run} has no manifest, so verify cannot check it: {error}", file=sys.stderr)


def record_production(parameters: Parameters, reason: str) -> None:
    """Add the versions in production to the ledger after a command, rather than a run, has changed them.

    Parameters
    ----------
    parameters : Parameters
    reason : str
        What was done and why.
    """
    from lib.evidence import identity, manifest

    if parameters.backend == "local":
        reason = f"{reason} (by {identity.user_name()})"
        manifest.record_production(resolve(parameters.workspace), reason, backends.signer(parameters))


def _input_files(parameters: Parameters) -> list[Path]:
    """List the local files that the parameters name: the table, and others such as its contract."""
    from lib.tables import sources

    table = str(parameters.data)
    paths = set() if not table or sources.is_remote(table) else set(sources.list_files(table))
    return sorted(paths | set(_files(dict(parameters))))


def _output_files(record: RunRecord) -> list[Path]:
    stages = records.read(record.folder)["stages"]
    outputs = [stage.get("outputs", {}) for stage in stages]
    return [
        path
        for output in outputs
        for path in _files({name: value for name, value in output.items() if name not in _REPLACED_OUTPUTS})
    ]


def _files(value: Any) -> Iterator[Path]:
    """Yield the files that a value names as a path or ``file:`` URI; folders, such as the workspace, are left out."""
    for address in fingerprint.find_files(value):
        path = fingerprint.existing_path(address)
        if path is not None and path.is_file():
            yield path
