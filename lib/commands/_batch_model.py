"""The model with which a command scores rows. It runs in a process that uses the code saved with the model."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lib.errors import GateError, NameNotFound, StageError
from lib.forkserver import PID

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lib.backends.base import Backend
    from lib.scoring.model import Model


class ChosenModel(NamedTuple):
    """A verified model folder and its description."""

    folder: Path
    model: Model


def choose_model(backend: Backend, name: str, version: str | None) -> ChosenModel:
    """Return a version of the model, by default the version in production."""
    from lib.scoring.model import read
    from lib.scoring.model_folder import ModelError, code_folder, find

    registry = backend.models(name)
    if version is None:
        registered = registry.production()
        if registered is None:
            raise GateError(
                f"No version of {name} has the tag production. Run the chain, or choose a version with --version."
            )
    else:
        versions = {registered.version: registered for registered in registry.versions()}
        if version not in versions:
            raise NameNotFound("version", version, versions, where=f"the model {name}")
        registered = versions[version]
    folder = backend.tracking.model_folder(registered.source, registered.sha256)
    try:
        code_folder(find(folder))
        return ChosenModel(folder, read(folder, name, registered.version))
    except ModelError as error:
        raise StageError(str(error)) from None


@contextlib.contextmanager
def start_model(chosen: ChosenModel) -> Iterator[Callable[[pd.DataFrame], pa.Table]]:
    """Start a process with the model's own code, and yield a function that scores rows in that process.

    The function returns the columns that `lib.scoring.batch.as_arrow` documents.
    """
    import pyarrow as pa

    from lib.scoring import wire_protocol
    from lib.scoring.model_folder import ModelError
    from lib.serving import model_process

    model = chosen.model
    died_message = f"The process of {model.name}, version {model.version}, died; the lines above say why."
    server = model_process.start(chosen.folder, "lib.scoring.batch", str(model.name), str(model.version))
    try:
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
                inputs = [column.name for column in model.columns if column.name in rows.columns]
                try:
                    connection.sendall(wire_protocol.pack_part(pickle.dumps(rows[inputs])))
                    content = wire_protocol.read_part(file)
                except ConnectionError:
                    content = None
                if content is None:
                    raise StageError(died_message)
                return pa.ipc.open_stream(content).read_all()

            yield score
    finally:
        server.terminate()
