"""The model that a command scores rows with, run in a process on the model's own code."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
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
    """A verified model folder, its description and its SHA-256."""

    folder: Path
    model: Model
    sha256: str


def choose_model(backend: Backend, name: str, version: str | None) -> ChosenModel:
    """Return the model of a version, by default of the one in production."""
    from lib.scoring.model import read_model
    from lib.scoring.model_folder import ModelError, find_code_folder, find_model_folder

    registry = backend.models(name)
    if version is None:
        registered = registry.production()
        if registered is None:
            raise GateError(f"No version of {name} has the tag production. Run the chain, or give --version.")
    else:
        known = {known_version.version: known_version for known_version in registry.versions()}
        if version not in known:
            raise NameNotFound("version", version, known, where=f"the model {name}")
        registered = known[version]
    folder = backend.tracking.model_folder(registered.source, registered.sha256)
    try:
        find_code_folder(find_model_folder(folder))
        return ChosenModel(folder, read_model(folder, name, registered.version), registered.sha256)
    except ModelError as error:
        raise StageError(str(error)) from None


@contextlib.contextmanager
def start_model(chosen: ChosenModel) -> Iterator[Callable[[pd.DataFrame], pa.Table]]:
    """Start a process on a verified copy of the model, and yield a function that scores rows there.

    The function returns the columns that `lib.scoring.batch.to_arrow` documents.
    """
    import pyarrow as pa

    from lib.scoring import wire_protocol
    from lib.scoring.model_folder import ModelError, copy_verified, find_model_folder
    from lib.serving import model_process

    model = chosen.model
    died_message = f"The process of {model.name}, version {model.version}, died; the lines above say why."
    with tempfile.TemporaryDirectory(prefix="millrace-") as scratch:
        copy = Path(scratch) / "model"
        try:
            copy_verified(find_model_folder(chosen.folder), copy, chosen.sha256)
            server = model_process.start(
                copy, "lib.scoring.batch", str(model.name), str(model.version), bytecode=Path(scratch) / "bytecode"
            )
        except ModelError as error:
            raise StageError(str(error)) from None
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
                    known = [column.name for column in model.columns if column.name in rows.columns]
                    try:
                        connection.sendall(wire_protocol.pack_part(pickle.dumps(rows[known])))
                        content = wire_protocol.read_part(file)
                    except ConnectionError:
                        content = None
                    if content is None:
                        raise StageError(died_message)
                    return pa.ipc.open_stream(content).read_all()

                yield score
        finally:
            server.terminate()
