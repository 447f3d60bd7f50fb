"""The files of a fast model in the model's folder, so that an endpoint does not have to build the fast model.

::

    fast_model.json      the versions that the fast model was made with, and the SHA-256 of the estimator's file
    fast_model.pickle    the encoder, the trees as arrays for predictions and for reasons, and the calibrator

A fast model is written only if loading it needs nothing but NumPy and the model's own code, as for a gradient boosting.
Loading any other takes as long as loading the model itself. Both files are part of the folder's SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lib.scoring.columns import Column
from lib.scoring.decision_rules import DecidedStep
from lib.scoring.fast_model.boosting import Boosting
from lib.scoring.fast_model.calibrated import CalibratedStep
from lib.scoring.fast_model.form import Answers, FastModel, NoFastModel
from lib.scoring.fast_model.trees import NoBitMasks, Trees
from lib.scoring.model import Model, find_estimator_file
from lib.scoring.reasons.explainers import find_tree_scale, unwrap
from lib.scoring.reasons.tree_models import convert_trees

log = logging.getLogger(__name__)
DESCRIPTION, PICKLE = "fast_model.json", "fast_model.pickle"
# Increase this when the contents of the files change.
LAYOUT_VERSION = 5
# Packages that import fast. A fast model that needs other packages would not start faster than the model itself.
FAST_PACKAGES = {"lib", "numpy", "builtins", "_codecs", "collections", "copyreg", "datetime", "pytz", "zoneinfo"}


def write_fast_model(folder: Path, model: Model) -> None:
    """Build a model's fast model, compare it with the model, and write it into the model's folder.

    Parameters
    ----------
    folder : Path
        The model folder, with all its other files.
    model : Model
        The loaded model.

    Raises
    ------
    NoFastModel
        If there is no fast model, or loading it takes as long as loading the model. Nothing is written then.
    """
    from lib.scoring.fast_model.build import build_fast_model, check_equal_answers
    from lib.scoring.sklearn_model import SklearnModel

    fast_model = build_fast_model(model)
    if type(fast_model) is not FastModel:
        raise NoFastModel("its features need pandas, whose import takes as long as loading the model itself")
    content = _pickle_fast_model(fast_model, model.estimator[-1])
    unpickled = _unpickle_fast_model(content, model.columns)
    check_equal_answers(unpickled, SklearnModel(model.estimator, model.columns), model)
    (folder / PICKLE).write_bytes(content)
    (folder / DESCRIPTION).write_text(json.dumps(_describe(folder), indent=1) + "\n", encoding="utf-8")


def read_fast_model(folder: Path, columns: tuple[Column, ...]) -> FastModel | None:
    """Read the fast model of a model folder.

    Returns
    -------
    FastModel or None
        None if the folder has no fast model, or one that was made from another model or with other versions.
    """
    if not (folder / DESCRIPTION).is_file():
        return None
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    differences = [
        f"{key} {description.get(key)} instead of {expected}"
        for key, expected in _describe(folder).items()
        if description.get(key) != expected
    ]
    if differences:
        log.info("The fast model beside the model is not used: it was made with %s.", ", ".join(differences))
        return None
    try:
        return _unpickle_fast_model((folder / PICKLE).read_bytes(), columns)
    except (NoFastModel, NoBitMasks) as reason:
        log.info("The fast model beside the model is not used: %s.", reason)
        return None


def _describe(folder: Path) -> dict[str, Any]:
    """Return the versions that decide whether a fast model can be used, and the SHA-256 of the estimator's file."""
    sha256 = hashlib.sha256(find_estimator_file(folder).read_bytes()).hexdigest()
    python = "{}.{}".format(*sys.version_info)
    return {"layout": LAYOUT_VERSION, "python": python, "numpy": np.__version__, "model": sha256}


def _pickle_fast_model(fast_model: FastModel, estimator: Any) -> bytes:
    """Return a fast model as bytes, with the trees of the estimator, from which reasons are computed."""
    boosting: Any = fast_model.last_step
    rule, calibrator = None, None
    if isinstance(boosting, DecidedStep):
        rule, boosting = boosting.rule, boosting.step
    if isinstance(boosting, CalibratedStep):
        calibrator, boosting = boosting.calibrator, boosting.step
    if not isinstance(boosting, Boosting):
        raise NoFastModel(
            "its last step is run by scikit-learn, whose import takes as long as loading the model itself"
        )
    try:
        trees = convert_trees(unwrap(estimator)), find_tree_scale(unwrap(estimator))
        content = (fast_model.encode, boosting.trees.arrays, boosting.link, boosting.classes, calibrator, rule, trees)
        return pickle.dumps(content)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NoFastModel(f"its encoder cannot be pickled: {error}") from error


def _unpickle_fast_model(content: bytes, columns: tuple[Column, ...]) -> FastModel:
    encode, arrays, link, classes, calibrator, rule, trees = _FastUnpickler(io.BytesIO(content)).load()
    last_step: Callable[[np.ndarray], Answers] = Boosting(Trees(*arrays), link, classes)
    if calibrator is not None:
        last_step = CalibratedStep(last_step, calibrator, classes)
    if rule is not None:
        last_step = DecidedStep(last_step, rule, classes)
    return FastModel(columns, encode, last_step, classes, *trees)


class _FastUnpickler(pickle.Unpickler):
    """An unpickler that refuses to import slow packages."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] not in FAST_PACKAGES:
            raise NoFastModel(f"its encoder needs {module}, whose import takes as long as loading the model itself")
        return super().find_class(module, name)
