"""A fast model in the folder of the model it was built from, so that no start has to build it.

::

    fast_model.json      the versions it was made with, and the hash of the model's file
    fast_model.pickle    the encoder, and the trees as arrays

Only a fast model that needs nothing but NumPy and the model's own code is written, that is, a gradient boosting's:
loading any other takes as long as loading the model. The files are part of the folder's SHA-256, which is verified
before they are unpickled.
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
from lib.scoring.decision_rules import DecidedStep
from lib.scoring.fast_model.boosting import Boosting
from lib.scoring.fast_model.form import FastModel, NoFastModel
from lib.scoring.fast_model.trees import NoBitMasks, Trees
from lib.scoring.model import Model, estimator_file

log = logging.getLogger(__name__)
DESCRIPTION, PICKLE = "fast_model.json", "fast_model.pickle"
# To be increased when the contents of the files change.
LAYOUT = 3
# Packages that import quickly; a fast model that needs others would not start faster.
FAST_TO_IMPORT = {"lib", "numpy", "builtins", "_codecs", "collections", "copyreg", "datetime", "pytz", "zoneinfo"}


def write(folder: Path, model: Model) -> None:
    """Write the fast form of a model into its folder, after comparing it with the model.

    Parameters
    ----------
    folder : Path
        The model folder, with all its other files.
    model : Model
        The loaded model.

    Raises
    ------
    NoFastModel
        If there is none worth writing; then nothing is written.
    """
    from lib.scoring.fast_model.build import build, compare
    from lib.scoring.sklearn_model import SklearnModel

    fast_model = build(model)
    content = _dump(fast_model)
    # Compare what will be read, not what was written.
    compare(_load(content, model.columns), SklearnModel(model.estimator, model.columns), model)
    (folder / PICKLE).write_bytes(content)
    (folder / DESCRIPTION).write_text(json.dumps(_description(folder), indent=1) + "\n", encoding="utf-8")


def read(folder: Path, columns: tuple[Column, ...]) -> FastModel | None:
    """Read the fast model of a folder; None if there is none, or if it was made from or with something else."""
    if not (folder / DESCRIPTION).is_file():
        return None
    written = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    differences = [
        f"{key} {written.get(key)} instead of {value}"
        for key, value in _description(folder).items()
        if written.get(key) != value
    ]
    if differences:
        log.info("The fast model beside the model is not used: it was made with %s.", ", ".join(differences))
        return None
    try:
        return _load((folder / PICKLE).read_bytes(), columns)
    except (NoFastModel, NoBitMasks) as reason:
        log.info("The fast model beside the model is not used: %s.", reason)
        return None


def _description(folder: Path) -> dict[str, Any]:
    model = hashlib.sha256(estimator_file(folder).read_bytes()).hexdigest()
    python = "{}.{}".format(*sys.version_info)
    return {"layout": LAYOUT, "python": python, "numpy": np.__version__, "model": model}


def _dump(fast_model: FastModel) -> bytes:
    step = fast_model.last
    last, rule = (step.step, step.rule) if isinstance(step, DecidedStep) else (step, None)
    if not isinstance(last, Boosting):
        raise NoFastModel(
            "its last step is run by scikit-learn, whose import takes as long as loading the model itself"
        )
    try:
        return pickle.dumps((fast_model.encode, last.trees.arrays, last.link, last.classes, rule))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NoFastModel(f"its encoder cannot be pickled: {error}") from error


def _load(content: bytes, columns: tuple[Column, ...]) -> FastModel:
    encode, arrays, link, classes, rule = _FastUnpickler(io.BytesIO(content)).load()
    boosting = Boosting(Trees(*arrays), link, classes)
    return FastModel(columns, encode, boosting if rule is None else DecidedStep(boosting, rule, classes), classes)


class _FastUnpickler(pickle.Unpickler):
    """An unpickler that refuses to import slow packages."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] not in FAST_TO_IMPORT:
            raise NoFastModel(f"its encoder needs {module}, whose import takes as long as loading the model itself")
        return super().find_class(module, name)
