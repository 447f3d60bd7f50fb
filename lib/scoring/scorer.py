"""Checked rows through the model, and its answer as plain JSON."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.scoring.fast_model import file
from lib.scoring.fast_model.form import FastModel, NoFastModel
from lib.scoring.model import Model, read, with_estimator
from lib.scoring.model_folder import find, use_code
from lib.scoring.request_error import RequestError
from lib.scoring.requests import Limits, Reader

if TYPE_CHECKING:
    from lib.scoring.sklearn_model import SklearnModel

log = logging.getLogger(__name__)


class Scorer:
    """Answers requests with one model.

    Parameters
    ----------
    model : Model
        A loaded model; with `form`, what its folder says of it.
    limits : Limits, optional
        How much one request may hold.
    form : FastModel, optional
        The model's compiled form; by default one is made of the model, if it can be.

    Attributes
    ----------
    predict : callable
        Labels and probabilities of checked values by column.
    classes : list or None
        Of a classifier.
    form : str
        ``"compiled"``, or ``"plain"`` and why.
    """

    def __init__(self, model: Model, limits: Limits | None = None, form: FastModel | None = None):
        self.model = model
        self._read = Reader(model.columns, limits or Limits()).read
        self.predict, self.form = (form, "compiled") if form is not None else _fastest(model)
        self.classes = None if self.predict.classes is None else self.predict.classes.tolist()
        log.info("Model %s, version %s, is served in its form %s.", model.name, model.version, self.form)

    @classmethod
    def from_folder(
        cls, folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None
    ):
        """Scorer of a model's folder.

        The model itself is not loaded where its compiled form is kept beside it: to import scikit-learn and pandas
        takes longer than the rest of a start. Parameters and errors are those of `lib.scoring.model.load`.
        """
        model, folder = read(folder, name, version, sha256), find(folder)
        use_code(folder)
        form = file.read(folder, model.columns)
        return cls(model, form=form) if form is not None else cls(with_estimator(model, folder))

    def score(self, body: bytes | str) -> dict[str, Any]:
        """Answer the body of a request.

        Returns
        -------
        dict
            ``predictions``, for classifiers ``probabilities`` and ``classes`` (the columns of the
            probabilities), and ``model``; in the order of the rows.

        Raises
        ------
        RequestError
            Where the request cannot be answered.
        """
        return self.answer(self._read(body))

    def answer(self, table: dict[str, list]) -> dict[str, Any]:
        """Predictions for values that were checked."""
        try:
            labels, probabilities = self.predict(table)
        except (ValueError, ArithmeticError) as error:
            # Each value is of its column's type, and the model still cannot take these: 1e300 where
            # it computes in 32 bits, a date out of its range. That is the request's fault and it is told so.
            log.warning("The model raised on rows that had passed the checks.", exc_info=True)
            raise RequestError(422, "not_scored", f"The model cannot score these rows: {str(error)[:300]}") from error
        answer = {"predictions": _finite(labels)}
        if probabilities is not None:
            answer |= {"probabilities": _finite(probabilities), "classes": self.classes}
        return {**answer, "model": {"name": self.model.name, "version": self.model.version}}

    def warm_up(self) -> None:
        """Answer the model's own examples, one and all, so that the first client does not wait for first-time work."""
        for rows in (self.model.examples[:1], self.model.examples):
            if rows:
                self.answer({column.name: [row[column.name] for row in rows] for column in self.model.columns})


def _fastest(model: Model) -> tuple[FastModel | SklearnModel, str]:
    """A loaded model's form, and what it is: compiled, or plain and why."""
    # Here, since a kept form does without scikit-learn and pandas.
    from lib.scoring.fast_model.build import build, compare
    from lib.scoring.sklearn_model import SklearnModel, use_one_thread

    use_one_thread(model.estimator)
    plain = SklearnModel(model.estimator, model.columns)
    try:
        form = build(model)
        compare(form, plain, model)
    except NoFastModel as reason:
        return plain, f"plain: no compiled form, as {reason}"
    return form, "compiled"


def _finite(array: np.ndarray) -> list:
    """Array as plain values, once it is seen that JSON has them all."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise RequestError(422, "not_scored", f"row {row}: the model's answer is {array[row]}, which is no number.")
    return array.tolist()
