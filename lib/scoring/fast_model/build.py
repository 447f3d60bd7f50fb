"""A fast model, built from a model and used only if it gives exactly the same answers.

Most of the time of a single row is spent in the input checks of pandas and scikit-learn, not in the model. If the first
step of a pipeline offers an ``array_encoder``, rows go through that (see `lib.training.features`); if the
last step is a histogram gradient boosting, they go through `trees` instead of its own ``predict``.

Both models answer the example rows, which come from the test set, and synthetic rows drawn from the baseline: missing
values, unseen categories, the ends of each range. If a single answer differs in a single bit, the model itself serves,
and the log and the endpoint's status say why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from lib.scoring import synthetic_rows
from lib.scoring.decision_classifier import DecisionClassifier
from lib.scoring.decision_rules import DecidedStep
from lib.scoring.fast_model.boosting import Boosting
from lib.scoring.fast_model.form import Answers, FastModel, NoFastModel, Predict, sklearn_step
from lib.scoring.fast_model.trees import NoBitMasks

if TYPE_CHECKING:
    from lib.scoring.model import Model

log = logging.getLogger(__name__)
# How many rows are also compared as requests of one row.
SINGLE_ROWS = 25


def build(model: Model) -> FastModel:
    """Build the fast form of a loaded model; `compare` has yet to show that it is exact.

    Raises
    ------
    NoFastModel
        If the model has no fast form.
    """
    pipeline = model.estimator
    if not isinstance(pipeline, Pipeline) or len(pipeline) != 2 or not hasattr(pipeline[0], "array_encoder"):
        raise NoFastModel("it is not a pipeline of a table encoder and a model")
    try:
        encode, last = pipeline[0].array_encoder(), _last_step(pipeline[-1])
    except Exception as error:  # private attributes of a library may have changed
        raise NoFastModel(f"building it failed: {error!r}") from error
    return FastModel(model.columns, encode, last, getattr(pipeline[-1], "classes_", None))


def compare(fast: Predict, reference: Predict, model: Model) -> None:
    """Compare a fast form with the model itself on example rows and synthetic rows.

    Parameters
    ----------
    fast, reference : callable
        Their predictions for checked values by column.
    model : Model
        Source of the columns, examples and statistics from which the rows are made.

    Raises
    ------
    NoFastModel
        If an answer differs.
    """
    tables = [synthetic_rows.table(model)]
    if model.examples:
        tables.insert(0, {column.name: [row[column.name] for row in model.examples] for column in model.columns})
    for table in tables:
        for rows, expected in _reference_answers(reference, table):
            try:
                is_same = _is_same(fast(rows), expected)
            except Exception as error:
                raise NoFastModel(f"it failed on rows that the model answers: {error!r}") from error
            if not is_same:
                raise NoFastModel("its answers differ from the model's")


def _last_step(estimator: Any) -> Callable[[np.ndarray], Answers]:
    if isinstance(estimator, DecisionClassifier):
        return DecidedStep(_last_step(estimator.model), estimator.rule, estimator.classes_)
    if type(estimator) not in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        return sklearn_step(estimator)
    try:
        return Boosting.from_sklearn(estimator)
    except (NoBitMasks, NoFastModel) as reason:
        log.info("The gradient boosting is run by scikit-learn, because %s.", reason)
        return sklearn_step(estimator)


def _reference_answers(reference: Predict, table: dict[str, list]) -> Iterator[tuple[dict[str, list], Answers]]:
    """Yield the whole table and its first rows one by one, each with the model's own answers."""
    count = min(len(next(iter(table.values()))), SINGLE_ROWS)
    single_rows = [{name: values[row : row + 1] for name, values in table.items()} for row in range(count)]
    for rows in (table, *single_rows):
        try:
            expected = reference(rows)
        except (ValueError, ArithmeticError):
            continue  # the model cannot score one of the rows
        yield rows, expected


def _is_same(answers: Answers, expected: Answers) -> bool:
    (labels, probabilities), (expected_labels, expected_probabilities) = answers, expected
    if expected_probabilities is None:
        return np.array_equal(labels, expected_labels, equal_nan=True)
    if probabilities is None:
        return False
    return np.array_equal(labels, expected_labels) and np.array_equal(
        probabilities, expected_probabilities, equal_nan=True
    )
