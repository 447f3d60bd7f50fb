"""A faster form of the model, taken only where it gives the answers of the model itself.

What a single row costs is pandas and scikit-learn looking at its input, not the model. Where the model is a pipeline
whose first step offers a `direct` form of itself (`lib.training.features` does), rows go through that as plain
arrays; where its last step is a gradient boosting, through `trees` instead of its own `predict`.

Both forms answer the model's example rows, which are rows of the test set, and rows drawn from what the baseline says
of each column: missing values, unseen categories, the ends of each range. Where one answer differs, the plain model
serves, and the log and the endpoint's status say why.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from lib.serving.trees import NoMasks, Trees

if TYPE_CHECKING:
    from lib.serving.columns import Column
    from lib.serving.model import Model

# Labels and, for classifiers, probabilities of shape (rows, classes).
Answers = tuple[np.ndarray, np.ndarray | None]
Predict = Callable[[Mapping[str, list]], Answers]

log = logging.getLogger(__name__)
DRAWN_ROWS = 200
ROWS_ASKED_ALONE = 25
# The forms compute the same in the same order; a library's own predict may still round its last digit otherwise.
TOLERANCE = 1e-12


class NotCompiled(Exception):
    """There is no faster form of this model; the message says why, for people."""


def compiled(model: Model, plain: Predict) -> Predict:
    """The faster form, after it has answered as the plain one.

    Parameters
    ----------
    model : Model
    plain : callable
        The model's own predictions for checked values by column.

    Raises
    ------
    NotCompiled
        Where there is none, or it answers otherwise.
    """
    steps = model.estimator
    if not isinstance(steps, Pipeline) or len(steps) != 2 or not hasattr(steps[0], "direct"):
        raise NotCompiled("it is no pipeline of an encoder with a direct form and a model")
    try:
        encode, last = steps[0].direct(), _last(steps[-1])
    except Exception as error:  # whatever a library's private parts have become
        raise NotCompiled(f"making it failed: {error!r}") from error

    def predict(table: Mapping[str, list]) -> Answers:
        return last(encode({column.name: column.kind.array(table[column.name]) for column in model.columns}))

    _compare(predict, plain, model)
    return predict


def _last(model: Any) -> Callable[[np.ndarray], Answers]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if type(model) not in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        return _plain(model)
    try:
        sums = Trees(model)
    except NoMasks as reason:
        log.info("The trees are walked by scikit-learn: %s.", reason)
        return _plain(model)
    if not hasattr(model, "predict_proba"):
        inverse = model._loss.link.inverse
        return lambda rows: (inverse(sums(rows).ravel()), None)
    probabilities, classes = model._loss.predict_proba, model.classes_

    def classify(rows: np.ndarray) -> Answers:
        raw = sums(rows)
        numbers = (raw[:, 0] > 0).astype(np.intp) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return classes[numbers], probabilities(raw)

    return classify


def _plain(model: Any) -> Callable[[np.ndarray], Answers]:
    if hasattr(model, "predict_proba"):
        return lambda rows: (model.predict(rows), model.predict_proba(rows))
    return lambda rows: (model.predict(rows), None)


def _compare(predict: Predict, plain: Predict, model: Model) -> None:
    examples = [_table(model.examples, model.columns)] if model.examples else []
    for table in (*examples, _drawn(model)):
        for asked, own in _own_answers(plain, table):
            try:
                same = _same(predict(asked), own)
            except Exception as error:
                raise NotCompiled(f"it failed on rows that the model answers: {error!r}") from error
            if not same:
                raise NotCompiled("it does not answer as the model itself does")


def _own_answers(plain: Predict, table: dict[str, list]) -> Iterator[tuple[dict[str, list], Answers]]:
    """What the model itself says of all rows, and of the first ones alone; asked for these only where it must be."""
    rows = len(next(iter(table.values())))
    alone = [{name: values[at : at + 1] for name, values in table.items()} for at in range(rows)][:ROWS_ASKED_ALONE]
    try:
        labels, probabilities = plain(table)
    except (ValueError, ArithmeticError):  # it cannot answer one of them
        for row in alone:
            with contextlib.suppress(ValueError, ArithmeticError):
                yield row, plain(row)
        return
    yield table, (labels, probabilities)
    for at, row in enumerate(alone):
        yield row, (labels[at : at + 1], None if probabilities is None else probabilities[at : at + 1])


def _same(answers: Answers, own: Answers) -> bool:
    (labels, probabilities), (own_labels, own_probabilities) = answers, own
    if own_probabilities is None:
        return np.allclose(labels, own_labels, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    close = np.allclose(probabilities, own_probabilities, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    return close and np.array_equal(labels, own_labels)


def _table(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> dict[str, list]:
    return {column.name: [row[column.name] for row in rows] for column in columns}


def _drawn(model: Model) -> dict[str, list]:
    chance = random.Random(0)
    return {
        column.name: [_value(column, model.baseline.get(column.name, {}), chance) for _ in range(DRAWN_ROWS)]
        for column in model.columns
    }


def _value(column: Column, statistics: dict[str, Any], chance: random.Random) -> Any:
    """A value of a column as a client might send it."""
    if column.nullable and chance.random() < 0.15:
        return None
    kind = column.kind.schema["type"]
    low, high = statistics.get("minimum"), statistics.get("maximum")
    if kind == "boolean":
        return chance.random() < 0.5
    if "pattern" in column.kind.schema:
        first = datetime.datetime.fromisoformat(low) if low else datetime.datetime(2000, 1, 1)
        last = datetime.datetime.fromisoformat(high) if high else datetime.datetime(2030, 1, 1)
        moment = first.replace(tzinfo=None) + chance.random() * (last.replace(tzinfo=None) - first.replace(tzinfo=None))
        return moment.isoformat(timespec="seconds")
    if kind == "string":
        return chance.choice([*(statistics.get("categories") or {}), "never seen in training", ""])
    ends = [low if low is not None else 0.0, high if high is not None else 1.0]
    values = [*ends, *statistics.get("quantiles", {}).values(), 2 * ends[1] - ends[0], chance.uniform(*ends)]
    value = chance.choice(values)
    return int(value) if kind == "integer" else value
