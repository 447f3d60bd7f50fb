"""The scorer: parses a request, predicts with the model and returns the answer."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.scoring.fast_model.file import read_fast_model
from lib.scoring.fast_model.form import FastModel, NoFastModel
from lib.scoring.intervals import group_keys
from lib.scoring.model import Model, load_estimator, read_model
from lib.scoring.model_folder import find_model_folder
from lib.scoring.reasons.finder import ReasonFinder, list_reasons
from lib.scoring.request_error import RequestError
from lib.scoring.requests import Limits, RequestParser
from lib.scoring.value_counts import ValueCounts, make_counts
from lib.scoring.value_warnings import MAX_WARNINGS, ValueWarnings, find_known_categories

if TYPE_CHECKING:
    from lib.scoring.sklearn_model import SklearnModel

log = logging.getLogger(__name__)
FAST_ENGINE = "fast"


class Scorer:
    """Answers requests with one model.

    Parameters
    ----------
    model : Model
        The model. Its estimator has to be loaded unless `fast_model` is given.
    limits : Limits, optional
        The maximum size of a request.
    fast_model : FastModel, optional
        A fast equivalent of the model. By default, one is built from the model if possible.

    Attributes
    ----------
    predict : callable
        Returns labels and probabilities for checked values by column; the fast model or the model itself.
    classes : list or None
        The labels of a classifier, in the order of the probabilities.
    engine : str
        ``"fast"`` if the fast model predicts, else ``"scikit-learn"`` with the reason.
    """

    def __init__(self, model: Model, limits: Limits | None = None, fast_model: FastModel | None = None):
        self.model = model
        self._parse = RequestParser(model.columns, limits or Limits()).parse
        self.predict: FastModel | SklearnModel
        self.predict, self.engine = (fast_model, FAST_ENGINE) if fast_model is not None else _choose_predictor(model)
        self.classes = None if self.predict.classes is None else self.predict.classes.tolist()
        self.value_warnings = ValueWarnings(model, find_known_categories(self.predict))
        self._value_counts: ValueCounts | None = None
        log.info("Serving model %s, version %s, with the engine: %s.", model.name, model.version, self.engine)

    @classmethod
    def from_folder(
        cls, folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None
    ) -> Scorer:
        """Make the scorer of a model folder. Parameters and errors are those of `lib.scoring.model.load_model`.

        If the folder contains a fast model, the estimator is not loaded, since importing scikit-learn and pandas takes
        longer than the rest of a start.
        """
        model, folder = read_model(folder, name, version, sha256), find_model_folder(folder)
        fast_model = read_fast_model(folder, model.columns)
        return cls(model, fast_model=fast_model) if fast_model is not None else cls(load_estimator(model, folder))

    def score(self, body: bytes | str) -> dict[str, Any]:
        """Answer the body of a request.

        Returns
        -------
        dict
            ``predictions`` in the order of the rows; for classifiers, ``probabilities`` and ``classes``, the labels of
            their columns; ``intervals`` or ``sets`` with their ``coverage``, if the model was trained with coverage;
            ``reasons``, ``reasons_scale`` and ``reasons_method``, if requested; ``warnings`` and ``warning_count``, if
            values are unusual; and ``model``, its name and version.

        Raises
        ------
        RequestError
            If the request is invalid or the model cannot score its rows.
        """
        return self.answer_values(*self._parse(body))

    def answer_values(self, table: dict[str, list], reason_count: int = 0) -> dict[str, Any]:
        """Answer checked values, given as a list for each column; returns and errors are those of `score`.

        Parameters
        ----------
        table : dict of str to list
        reason_count : int
            Number of reasons for each row.
        """
        try:
            labels, probabilities = self.predict(table)
        except (ValueError, ArithmeticError) as error:
            # A valid value can exceed what the model computes with, such as 1e300 in 32 bits.
            log.warning("The model raised on valid rows.", exc_info=True)
            message = f"The model cannot score these rows: {str(error)[:300]}"
            raise RequestError(422, "not_scored", message) from error
        answer: dict[str, Any] = {"predictions": _to_finite_list(labels)}
        if probabilities is not None:
            answer |= {"probabilities": _to_finite_list(probabilities), "classes": self.classes}
        if self.model.coverage is not None:
            intervals = self.find_intervals(table, labels, probabilities)
            answer |= {self.model.coverage.name: intervals, "coverage": self.model.coverage.coverage}
        if reason_count:
            answer |= self.find_reasons(table, labels, reason_count)
        warnings = self.value_warnings.find(table)
        if self._value_counts is not None:
            self._value_counts.add(table, answer["predictions"], warnings)
        if warnings:
            answer |= {"warnings": warnings[:MAX_WARNINGS], "warning_count": len(warnings)}
        return {**answer, "model": {"name": self.model.name, "version": self.model.version}}

    def count_values(self) -> None:
        """Count the values of the following requests in a file of this process, if the environment names a folder."""
        self._value_counts = make_counts([column.name for column in self.model.columns], self.classes)

    def find_intervals(self, table: dict[str, list], labels: np.ndarray, probabilities: np.ndarray | None) -> list:
        """Return the interval or set of each row, for checked values and their predictions.

        The list contains None for a row whose group had no calibration rows.
        """
        coverage = self.model.coverage
        assert coverage is not None, "the model was trained without coverage"
        arrays = {
            column.name: column.kind.to_array(table[column.name])
            for column in self.model.columns
            if column.name in coverage.columns
        }
        keys = group_keys(arrays, coverage.columns, len(labels))
        return coverage.answers(labels, probabilities, keys, self.classes)

    @functools.cached_property
    def reason_finder(self) -> ReasonFinder:
        """The finder of reasons, which is made when the first request asks for reasons."""
        return ReasonFinder(self.model, self.predict)

    def find_reasons(self, table: dict[str, list], labels: np.ndarray, count: int) -> dict[str, Any]:
        """Return the reasons for the answers to checked values, as they are added to an answer."""
        finder = self.reason_finder
        names = [column.name for column in self.model.columns]
        rows = list_reasons(finder.find(table, labels), names, count, self.classes)
        return {"reasons": rows, "reasons_scale": finder.scale, "reasons_method": finder.method}

    def warm_up(self) -> None:
        """Score the example rows, first one and then all, so that no client has to wait for lazy imports."""
        for rows in (self.model.examples[:1], self.model.examples):
            if rows:
                self.answer_values({column.name: [row[column.name] for row in rows] for column in self.model.columns})


def _choose_predictor(model: Model) -> tuple[FastModel | SklearnModel, str]:
    """Return the fast model if it gives exactly the model's answers, else the model; and the engine's name."""
    # Imported here because a fast model read from its file needs neither scikit-learn nor pandas.
    from lib.scoring.fast_model.build import build_fast_model, check_equal_answers
    from lib.scoring.sklearn_model import SklearnModel, use_one_thread

    use_one_thread(model.estimator)
    sklearn_model = SklearnModel(model.estimator, model.columns)
    try:
        fast_model = build_fast_model(model)
        check_equal_answers(fast_model, sklearn_model, model)
    except NoFastModel as reason:
        return sklearn_model, f"scikit-learn: there is no fast model, because {reason}"
    return fast_model, FAST_ENGINE


def _to_finite_list(array: np.ndarray) -> list:
    """Convert an array to a list, or raise a RequestError if it has a number that JSON cannot represent."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise RequestError(422, "not_scored", f"row {row}: the model's answer {array[row]} is not a finite number.")
    return array.tolist()
