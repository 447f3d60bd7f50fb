"""Checked values through the model, and its answer as JSON."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.scoring.fast_model import file
from lib.scoring.fast_model.form import FastModel, NoFastModel
from lib.scoring.model import Model, read, with_estimator
from lib.scoring.model_folder import find
from lib.scoring.request_error import RequestError
from lib.scoring.requests import Limits, Reader

if TYPE_CHECKING:
    from lib.scoring.sklearn_model import SklearnModel

log = logging.getLogger(__name__)
FAST = "fast"


class Scorer:
    """Answers requests with one model.

    Parameters
    ----------
    model : Model
        A loaded model; with `fast_model`, its description without the estimator is enough.
    limits : Limits, optional
        The maximum size of a request.
    fast_model : FastModel, optional
        A fast equivalent of the model; by default one is built from the model, if possible.

    Attributes
    ----------
    predict : callable
        Returns labels and probabilities for checked values by column.
    classes : list or None
        The labels of a classifier, in the order of the probabilities.
    form : str
        ``"fast"``, or ``"scikit-learn"`` with the reason.
    """

    def __init__(self, model: Model, limits: Limits | None = None, fast_model: FastModel | None = None):
        self.model = model
        self._read = Reader(model.columns, limits or Limits()).read
        self.predict: FastModel | SklearnModel
        self.predict, self.form = (fast_model, FAST) if fast_model is not None else _fastest(model)
        self.classes = None if self.predict.classes is None else self.predict.classes.tolist()
        log.info("Serving model %s, version %s, as: %s.", model.name, model.version, self.form)

    @classmethod
    def from_folder(
        cls, folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None
    ) -> Scorer:
        """Return the scorer of a model folder; parameters and errors are those of `lib.scoring.model.load`.

        If the folder holds a fast model, the model itself is not loaded: importing scikit-learn and pandas takes longer
        than the rest of a start.
        """
        model, folder = read(folder, name, version, sha256), find(folder)
        fast_model = file.read(folder, model.columns)
        return cls(model, fast_model=fast_model) if fast_model is not None else cls(with_estimator(model, folder))

    def score(self, body: bytes | str) -> dict[str, Any]:
        """Answer the body of a request.

        Returns
        -------
        dict
            ``predictions`` in the order of the rows; for classifiers, ``probabilities`` and ``classes``, the labels of
            their columns; and ``model``, its name and version.

        Raises
        ------
        RequestError
            If the request is invalid or the model cannot score its rows.
        """
        return self.answer(self._read(body))

    def answer(self, table: dict[str, list]) -> dict[str, Any]:
        """Return the answer for checked values, given as one list per column."""
        try:
            labels, probabilities = self.predict(table)
        except (ValueError, ArithmeticError) as error:
            # Valid values can still be beyond the model: 1e300 if it computes in 32 bits, or a date out of its range.
            log.warning("The model raised on valid rows.", exc_info=True)
            message = f"The model cannot score these rows: {str(error)[:300]}"
            raise RequestError(422, "not_scored", message) from error
        answer: dict[str, Any] = {"predictions": _finite_list(labels)}
        if probabilities is not None:
            answer |= {"probabilities": _finite_list(probabilities), "classes": self.classes}
        return {**answer, "model": {"name": self.model.name, "version": self.model.version}}

    def warm_up(self) -> None:
        """Answer the model's own examples, one and all, so that the first client does not wait for lazy imports."""
        for rows in (self.model.examples[:1], self.model.examples):
            if rows:
                self.answer({column.name: [row[column.name] for row in rows] for column in self.model.columns})


def _fastest(model: Model) -> tuple[FastModel | SklearnModel, str]:
    """Return the fastest exact form of a loaded model, and a description of it."""
    # Imported here because a fast model read from its file needs neither scikit-learn nor pandas.
    from lib.scoring.fast_model.build import build, compare
    from lib.scoring.sklearn_model import SklearnModel, use_one_thread

    use_one_thread(model.estimator)
    sklearn_model = SklearnModel(model.estimator, model.columns)
    try:
        fast_model = build(model)
        compare(fast_model, sklearn_model, model)
    except NoFastModel as reason:
        return sklearn_model, f"scikit-learn: there is no fast model, because {reason}"
    return fast_model, FAST


def _finite_list(array: np.ndarray) -> list:
    """Return an array as a list, after checking that JSON can represent every number."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise RequestError(422, "not_scored", f"row {row}: the model's answer {array[row]} is not a finite number.")
    return array.tolist()
