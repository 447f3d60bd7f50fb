"""A process that answers with a model, on the code that was saved with the model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lib.forkserver import ForkServer, Options
from lib.scoring import value_counts, wire_protocol
from lib.scoring.model_folder import ModelError, find_code_folder, find_model_folder


def start(
    model_folder: Path,
    module: str,
    name: str,
    version: str,
    *,
    bytecode: Path,
    folder: Path | None = None,
    log: Path | None = None,
    request_seconds: float = 0,
    counts_folder: Path | None = None,
) -> ForkServer:
    """Start a fork server that runs a module of the model's own code, and imports nothing of this checkout.

    Parameters
    ----------
    model_folder : Path
        A copy of the model folder that `lib.scoring.model_folder.copy_verified` made, since its code is about to run.
    module : str
        ``lib.scoring.worker`` or ``lib.scoring.batch``.
    name, version : str
        Name and version of the model, repeated in its answers.
    bytecode : Path
        Folder for the compiled code of the model, which only this user can write to.
    folder, log : Path, optional
        Working directory, and file for the output; by default this process's own.
    request_seconds : float
        Time after which a worker that still answers the same request is killed by the system; 0 for no limit.
    counts_folder : Path, optional
        Folder in which each worker counts the values of requests; see `lib.scoring.value_counts`.

    Raises
    ------
    ModelError
        If the model was saved without the code that serves it.
    """
    model_folder = find_model_folder(model_folder)
    code = str(find_code_folder(model_folder).resolve())
    # Sharing a row among threads costs more than it saves; and a process with threads must not fork.
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # pandas imports Arrow, whose allocator would start a thread.
    variables["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    variables[wire_protocol.REQUEST_SECONDS_VARIABLE] = str(request_seconds)
    if counts_folder is not None:
        variables[value_counts.FOLDER_VARIABLE] = str(counts_folder)
    environment = {**os.environ, **variables, "PYTHONPATH": code, "PYTHONUNBUFFERED": "1"}
    bytecode.mkdir(mode=0o700, exist_ok=True)
    return ForkServer(
        module,
        [str(model_folder.resolve()), name, version],
        environment=environment,
        folder=folder,
        log=log,
        options=Options(code=code, bytecode=str(bytecode.resolve()), ends_children=True),
    )


def check_protocol(facts: dict[str, Any]) -> None:
    """Check that the code saved with a model speaks this release's protocol.

    Raises
    ------
    ModelError
        If it does not.
    """
    if facts.get("protocol") != wire_protocol.VERSION:
        raise ModelError(
            f"The model was saved by another release: it uses version {facts.get('protocol')} of the worker "
            f"protocol, but this release uses version {wire_protocol.VERSION}. Run the chain again to train and "
            "register the model with this release."
        )
