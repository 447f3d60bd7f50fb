"""The compiled form of a model, kept beside it: made and compared when the model is saved, and no start waits for it.

::

    compiled.json      what it was made with, and of which model file
    compiled.pickle    the encoder, and the trees as arrays

Only a form that needs nothing but NumPy and the model's own code is kept, which a gradient boosting's is: to load
another takes as long as to load the model. Being in the model's folder it is under the folder's SHA-256, which is
compared before it is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lib.scoring.columns import Column
from lib.scoring.fast_model.boosting import Boosting
from lib.scoring.fast_model.form import FastModel, NoFastModel
from lib.scoring.fast_model.trees import NoBitMasks, Trees
from lib.scoring.model import Model, pickled

log = logging.getLogger(__name__)
DESCRIPTION, FORM = "compiled.json", "compiled.pickle"
# Changes with what stands in the files.
LAYOUT = 1
LIGHT = {"lib", "numpy", "builtins", "_codecs", "collections", "copyreg", "datetime", "pytz", "zoneinfo"}


def keep(folder: Path, model: Model) -> None:
    """Write the compiled form of a model beside it, once it has answered as the model itself.

    Parameters
    ----------
    folder : Path
        Of the model, with all that it will hold.
    model : Model
        Loaded.

    Raises
    ------
    NoFastModel
        Where there is none to keep; then nothing is written.
    """
    from lib.scoring.fast_model.build import build, compare
    from lib.scoring.sklearn_model import SklearnModel

    form = build(model)
    if not isinstance(form.last, Boosting):
        raise NoFastModel("its last step is the model's own, which has to be loaded")
    content = _dumped(form)
    # What is read again, not what was written.
    compare(_loaded(content, model.columns), SklearnModel(model.estimator, model.columns), model)
    (folder / FORM).write_bytes(content)
    (folder / DESCRIPTION).write_text(json.dumps(_described(folder), indent=1) + "\n", encoding="utf-8")


def read(folder: Path, columns: tuple[Column, ...]) -> FastModel | None:
    """The form that is kept in a model's folder; None where there is none that was made of this model with the same."""
    if not (folder / DESCRIPTION).is_file():
        return None
    said, here = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")), _described(folder)
    differs = [f"{key} {said.get(key)} instead of {own}" for key, own in here.items() if said.get(key) != own]
    if differs:
        log.info("The compiled form beside the model is not used, being of %s.", ", ".join(differs))
        return None
    try:
        return _loaded((folder / FORM).read_bytes(), columns)
    except (NoFastModel, NoBitMasks) as reason:
        log.info("The compiled form beside the model is not used: %s.", reason)
        return None


def _described(folder: Path) -> dict[str, Any]:
    model = hashlib.sha256(pickled(folder).read_bytes()).hexdigest()
    python = "{}.{}".format(*sys.version_info)
    return {"layout": LAYOUT, "python": python, "numpy": np.__version__, "model": model}


def _dumped(form: FastModel) -> bytes:
    last = form.last
    try:
        return pickle.dumps((form.encode, last.trees.plain, last.link, last.classes))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NoFastModel(f"its encoder cannot be written: {error}") from error


def _loaded(content: bytes, columns: tuple[Column, ...]) -> FastModel:
    encode, trees, link, classes = _Light(io.BytesIO(content)).load()
    return FastModel(columns, encode, Boosting(Trees(*trees), link, classes), classes)


class _Light(pickle.Unpickler):
    """Refuses what would import more than a start has time for."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] not in LIGHT:
            raise NoFastModel(f"its encoder needs {module}, which takes as long to import as the model")
        return super().find_class(module, name)
