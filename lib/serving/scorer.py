"""Checked rows through the model, and its answer as plain JSON."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl
from sklearn.pipeline import Pipeline

from lib.serving.compiled import Answers, NotCompiled, compiled
from lib.serving.model import Model
from lib.serving.refusal import Refusal
from lib.serving.requests import Limits, read_table

log = logging.getLogger(__name__)


class Scorer:
    """Answers requests with one model.

    Parameters
    ----------
    model : Model
        A loaded model.
    limits : Limits, optional
        How much one request may hold.
    """

    def __init__(self, model: Model, limits: Limits | None = None):
        self.model = model
        self.limits = limits or Limits()
        _use_one_thread(model.estimator)
        self.classes = _plain(model.estimator.classes_) if hasattr(model.estimator, "predict_proba") else None
        # The steps before the last are run once for both predictions and probabilities; they are most of the time.
        steps = model.estimator if isinstance(model.estimator, Pipeline) and len(model.estimator) > 1 else None
        self._before = steps[:-1].transform if steps is not None else lambda rows: rows
        self._last = steps[-1] if steps is not None else model.estimator
        try:
            self.predict, self.form = compiled(model, self.plain), "compiled"
        except NotCompiled as reason:
            self.predict, self.form = self.plain, f"plain: no compiled form, as {reason}"
        log.info("Model %s, version %s, is served in its form %s.", model.name, model.version, self.form)

    def score(self, body: bytes | str) -> dict[str, Any]:
        """Answer the body of a request.

        Returns
        -------
        dict
            ``predictions``, for classifiers ``probabilities`` and ``classes`` (the columns of the
            probabilities), and ``model``; in the order of the rows.

        Raises
        ------
        Refusal
            Where the request cannot be answered.
        """
        return self.answer(read_table(body, self.model.columns, self.limits))

    def frame(self, table: dict[str, list]) -> pd.DataFrame:
        """Checked values as the DataFrame the model takes."""
        return pd.DataFrame(
            {column.name: column.kind.array(table[column.name]) for column in self.model.columns}, copy=False
        )

    def plain(self, table: dict[str, list]) -> Answers:
        """What the model itself says of checked values: labels, and probabilities where it has them."""
        features = self._before(self.frame(table))
        labels = np.asarray(self._last.predict(features))
        return labels, None if self.classes is None else np.asarray(self._last.predict_proba(features))

    def answer(self, table: dict[str, list]) -> dict[str, Any]:
        """Predictions for values that were checked."""
        try:
            labels, probabilities = self.predict(table)
        except (ValueError, ArithmeticError) as error:
            # Each value is of its column's type, and the model still cannot take these: 1e300 where
            # it computes in 32 bits, a date out of its range. That is the request's fault and it is told so.
            log.warning("The model raised on rows that had passed the checks.", exc_info=True)
            raise Refusal(422, "not_scored", f"The model cannot score these rows: {str(error)[:300]}") from error
        answer = {"predictions": _finite(labels)}
        if probabilities is not None:
            answer |= {"probabilities": _finite(probabilities), "classes": self.classes}
        return {**answer, "model": {"name": self.model.name, "version": self.model.version}}

    def warm_up(self) -> None:
        """Answer the model's own example once, so that the first client does not wait for first-time work."""
        if self.model.example is not None:
            self.answer({name: [value] for name, value in self.model.example.items()})


def _use_one_thread(estimator: Any) -> None:
    """Score in one thread: to wake several takes longer than to score a row, far longer on a busy machine."""
    threadpoolctl.threadpool_limits(limits=1)
    names = [name for name in estimator.get_params() if name == "n_jobs" or name.endswith("__n_jobs")]
    estimator.set_params(**dict.fromkeys(names, 1))


def _plain(array: Any) -> list:
    return np.asarray(array).tolist()


def _finite(array: np.ndarray) -> list:
    """Array as plain values, once it is seen that JSON has them all."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise Refusal(422, "not_scored", f"row {row}: the model's answer is {array[row]}, which is no number.")
    return array.tolist()
