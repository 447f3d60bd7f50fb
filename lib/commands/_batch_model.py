"""The model with which a command scores rows. It runs in a process that uses the code saved with the model."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lib.errors import GateError, NameNotFound, StageError
from lib.forkserver import PID, ForkServer

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lib.backends.base import Backend
    from lib.backends.models import ModelVersion
    from lib.scoring.model import Model


class ChosenModel(NamedTuple):
    """A verified model folder, its description and its SHA-256."""

    folder: Path
    model: Model
    sha256: str


def choose_model(backend: Backend, name: str, version: str | None) -> ChosenModel:
    """Return a version of the model, by default the version in production."""
    from lib.scoring.model import read_model
    from lib.scoring.model_folder import ModelError, find_code_folder, find_model_folder

    registered = choose_registered_version(backend, name, version)
    folder = backend.tracking.model_folder(registered.source, registered.sha256)
    try:
        find_code_folder(find_model_folder(folder))
        return ChosenModel(folder, read_model(folder, name, registered.version), registered.sha256)
    except ModelError as error:
        raise StageError(str(error)) from None


def choose_registered_version(backend: Backend, name: str, version: str | None) -> ModelVersion:
    """Return a registered version of the model, by default the version in production.

    Raises
    ------
    GateError
        If no version is in production.
    NameNotFound
        If there is no such version.
    """
    registry = backend.models(name)
    if version is None:
        registered = registry.production()
        if registered is None:
            raise GateError(
                f"No version of {name} has the tag production. Run the chain, or choose a version with --version."
            )
        return registered
    versions = {registered.version: registered for registered in registry.versions()}
    if version not in versions:
        raise NameNotFound("version", version, versions, where=f"the model {name}")
    return versions[version]


@contextlib.contextmanager
def start_model(chosen: ChosenModel, reason_count: int = 0) -> Iterator[Callable[[pd.DataFrame], pa.Table]]:
    """Start a process on a verified copy of the model, and yield a function that scores rows in that process.

    The function returns the columns that `lib.scoring.batch.to_arrow` documents, with `reason_count` reasons per row.

    Raises
    ------
    StageError
        If the model cannot be loaded, or was saved by a release that gives no reasons.
    """
    from lib.scoring.model_folder import ModelError, copy_verified, find_model_folder
    from lib.serving import model_process

    name, version = str(chosen.model.name), str(chosen.model.version)
    with tempfile.TemporaryDirectory(prefix="millrace-") as scratch:
        copy, bytecode = Path(scratch) / "model", Path(scratch) / "bytecode"
        try:
            copy_verified(find_model_folder(chosen.folder), copy, chosen.sha256)
            server = model_process.start(copy, "lib.scoring.batch", name, version, bytecode=bytecode)
        except ModelError as error:
            raise StageError(str(error)) from None
        try:
            with _connect(server, chosen.model, reason_count) as score:
                yield score
        finally:
            server.terminate()


@contextlib.contextmanager
def _connect(server: ForkServer, model: Model, reason_count: int) -> Iterator[Callable[[pd.DataFrame], pa.Table]]:
    """Wait until the model is loaded, and yield a function that scores rows in the server's process."""
    import pyarrow as pa

    from lib.scoring import wire_protocol
    from lib.scoring.model_folder import ModelError
    from lib.serving import model_process

    died_message = f"The process of {model.name}, version {model.version}, died; the lines above say why."
    ready = server.wait_until_ready()
    if ready is None:
        raise StageError(died_message)
    try:
        model_process.check_protocol(ready.facts)
    except ModelError as error:
        raise StageError(str(error)) from None
    connection, _ = server.fork()
    with connection, connection.makefile("rb") as file:
        file.read(PID.size)

        def score(rows: pd.DataFrame) -> pa.Table:
            inputs = rows[[column.name for column in model.columns if column.name in rows.columns]]
            inputs.attrs = {wire_protocol.REASONS_ATTRIBUTE: reason_count} if reason_count else {}
            try:
                connection.sendall(wire_protocol.pack_part(pickle.dumps(inputs)))
                content = wire_protocol.read_part(file)
            except ConnectionError:
                content = None
            if content is None:
                raise StageError(died_message)
            scored = pa.ipc.open_stream(content).read_all()
            if reason_count and "reason_1" not in scored.column_names[len(model.columns) :]:
                raise StageError(
                    f"--reasons: {model.name}, version {model.version}, was saved by an earlier release, whose code "
                    "gives no reasons. Train the model again."
                )
            return scored

        yield score
