"""Building a fast model, which is used only if it gives exactly the answers of the model.

Most of the time to score a single row is spent in the input checks of pandas and scikit-learn. A fast model skips them:
it uses the ``array_encoder`` of the pipeline's first step (see `lib.training.features`) and, if the last step is a
histogram gradient boosting, evaluates its trees with `trees`.

Both models score the example rows, which come from the test set, and synthetic rows. If a single answer differs in a
single bit, the model itself is used, and the log and the endpoint's status state the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from lib.scoring import synthetic_rows
from lib.scoring.calibrated_classifier import CalibratedClassifier
from lib.scoring.decision_classifier import DecisionClassifier
from lib.scoring.decision_rules import DecidedStep
from lib.scoring.fast_model.boosting import Boosting
from lib.scoring.fast_model.calibrated import CalibratedStep
from lib.scoring.fast_model.features import FeatureEncoder, FeatureFastModel
from lib.scoring.fast_model.form import Answers, FastModel, NoFastModel, Predict, make_sklearn_step
from lib.scoring.fast_model.trees import NoBitMasks
from lib.scoring.feature_step import FeatureStep

if TYPE_CHECKING:
    from lib.scoring.model import Model

log = logging.getLogger(__name__)
# This many rows are also scored one by one.
SINGLE_ROW_COUNT = 25


def build_fast_model(model: Model) -> FastModel:
    """Build the fast model of a loaded model. Check its answers with `check_equal_answers` before using it.

    Raises
    ------
    NoFastModel
        If the model has no fast model; the message states the reason.
    """
    pipeline = model.estimator
    if isinstance(pipeline, Pipeline) and len(pipeline) > 1 and isinstance(pipeline[0], FeatureStep):
        rest = build_fast_model(replace(model, estimator=pipeline[1:]))
        encode = FeatureEncoder(pipeline[0], model.columns, rest.encode)
        return FeatureFastModel(model.columns, encode, rest.last_step, rest.classes)  # type: ignore[arg-type]
    if not isinstance(pipeline, Pipeline) or len(pipeline) != 2 or not hasattr(pipeline[0], "array_encoder"):
        raise NoFastModel("it is not a pipeline of a table encoder and a model")
    try:
        encode, last_step = pipeline[0].array_encoder(), _make_last_step(pipeline[-1])
    except Exception as error:  # private attributes of a library may have changed
        raise NoFastModel(f"building it failed: {error!r}") from error
    return FastModel(model.columns, encode, last_step, getattr(pipeline[-1], "classes_", None))


def check_equal_answers(fast_model: Predict, reference: Predict, model: Model) -> None:
    """Check that a fast model gives the same answers as the model for example rows and synthetic rows.

    Parameters
    ----------
    fast_model, reference : callable
        Return the predictions of the fast model and of the model itself for checked values by column.
    model : Model
        The model, with the example rows, and the statistics from which synthetic rows are drawn.

    Raises
    ------
    NoFastModel
        If an answer differs, or the fast model fails.
    """
    tables = [synthetic_rows.draw_table(model)]
    if model.examples:
        tables.insert(0, {column.name: [row[column.name] for row in model.examples] for column in model.columns})
    for table in tables:
        for rows, expected in _reference_answers(reference, table):
            try:
                is_same = _are_equal(fast_model(rows), expected)
            except Exception as error:
                raise NoFastModel(f"it failed on rows that the model itself can score: {error!r}") from error
            if not is_same:
                raise NoFastModel("its answers differ from the model's")


def _make_last_step(estimator: Any) -> Callable[[np.ndarray], Answers]:
    """Return the fastest function that gives the answers of an estimator for features."""
    if isinstance(estimator, DecisionClassifier):
        return DecidedStep(_make_last_step(estimator.model), estimator.rule, estimator.classes_)
    if type(estimator) is CalibratedClassifier:
        return CalibratedStep(_make_last_step(estimator.estimator), estimator.calibrator, estimator.classes_)
    if type(estimator) not in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        return make_sklearn_step(estimator)
    try:
        return Boosting.from_sklearn(estimator)
    except (NoBitMasks, NoFastModel) as reason:
        log.info("The gradient boosting is run by scikit-learn, because %s.", reason)
        return make_sklearn_step(estimator)


def _reference_answers(reference: Predict, table: dict[str, list]) -> Iterator[tuple[dict[str, list], Answers]]:
    """Yield the whole table and then its first rows one by one, each with the answers of the model itself."""
    single_row_count = min(len(next(iter(table.values()))), SINGLE_ROW_COUNT)
    single_rows = [{name: values[row : row + 1] for name, values in table.items()} for row in range(single_row_count)]
    for rows in (table, *single_rows):
        try:
            expected = reference(rows)
        except (ValueError, ArithmeticError):
            continue  # the model itself cannot score these rows
        yield rows, expected


def _are_equal(answers: Answers, expected: Answers) -> bool:
    (labels, probabilities), (expected_labels, expected_probabilities) = answers, expected
    if expected_probabilities is None:
        return np.array_equal(labels, expected_labels, equal_nan=True)
    if probabilities is None:
        return False
    return np.array_equal(labels, expected_labels) and np.array_equal(
        probabilities, expected_probabilities, equal_nan=True
    )
