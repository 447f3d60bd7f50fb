"""The compiled form of a model, made, and taken only where it gives the answers of the model itself.

What a single row costs is pandas and scikit-learn looking at its input, not the model. Where the model is a pipeline
whose first step offers an `array_encoder` of itself (`lib.training.features` does), rows go through that as plain
arrays; where its last step is a gradient boosting, through `trees` instead of its own `predict`.

Both forms answer the model's example rows, which are rows of the test set, and rows drawn from what the baseline says
of each column: missing values, unseen categories, the ends of each range. Where one answer differs in one bit, the
plain model serves, and the log and the endpoint's status say why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from lib.scoring import synthetic_rows
from lib.scoring.fast_model.boosting import Boosting
from lib.scoring.fast_model.form import Answers, FastModel, NoFastModel, Predict, sklearn_step
from lib.scoring.fast_model.trees import NoBitMasks

if TYPE_CHECKING:
    from lib.scoring.model import Model

log = logging.getLogger(__name__)
ROWS_ASKED_ALONE = 25


def build(model: Model) -> FastModel:
    """The faster form of a loaded model; it has yet to show that it answers as the model.

    Raises
    ------
    NoFastModel
        Where there is none.
    """
    steps = model.estimator
    if not isinstance(steps, Pipeline) or len(steps) != 2 or not hasattr(steps[0], "array_encoder"):
        raise NoFastModel("it is no pipeline of an encoder with a direct form and a model")
    try:
        encode, last = steps[0].array_encoder(), _last(steps[-1])
    except Exception as error:  # whatever a library's private parts have become
        raise NoFastModel(f"making it failed: {error!r}") from error
    return FastModel(model.columns, encode, last, getattr(steps[-1], "classes_", None))


def compare(form: Predict, plain: Predict, model: Model) -> None:
    """See whether a form answers as the model itself.

    Parameters
    ----------
    form, plain : callable
        Its predictions, and the model's own, for checked values by column.
    model : Model
        With the columns, examples and statistics of which rows are made.

    Raises
    ------
    NoFastModel
        Where it does not.
    """
    examples = [{one.name: [row[one.name] for row in model.examples] for one in model.columns}]
    for table in (*(examples if model.examples else []), synthetic_rows.table(model)):
        for asked, own in _own_answers(plain, table):
            try:
                same = _same(form(asked), own)
            except Exception as error:
                raise NoFastModel(f"it failed on rows that the model answers: {error!r}") from error
            if not same:
                raise NoFastModel("it does not answer as the model itself does")


def _last(model: Any) -> Callable[[np.ndarray], Answers]:
    if type(model) not in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        return sklearn_step(model)
    try:
        return Boosting.from_sklearn(model)
    except (NoBitMasks, NoFastModel) as reason:
        log.info("The trees are walked by scikit-learn: %s.", reason)
        return sklearn_step(model)


def _own_answers(plain: Predict, table: dict[str, list]) -> Iterator[tuple[dict[str, list], Answers]]:
    """What the model itself says of all rows, and of the first ones alone."""
    rows = len(next(iter(table.values())))
    alone = [{name: values[at : at + 1] for name, values in table.items()} for at in range(rows)][:ROWS_ASKED_ALONE]
    for asked in (table, *alone):
        try:
            own = plain(asked)
        except (ValueError, ArithmeticError):
            continue  # it cannot answer one of them
        yield asked, own


def _same(answers: Answers, own: Answers) -> bool:
    (labels, probabilities), (own_labels, own_probabilities) = answers, own
    if own_probabilities is None:
        return np.array_equal(labels, own_labels, equal_nan=True)
    return np.array_equal(labels, own_labels) and np.array_equal(probabilities, own_probabilities, equal_nan=True)
