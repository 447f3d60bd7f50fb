"""A table's rows through the endpoint's own checks and model: what cannot be scored is told, the rest is scored."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib.scoring.columns import Column
from lib.scoring.fast_model.form import Answers
from lib.scoring.request_error import shown
from lib.scoring.scorer import Scorer

_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Scored:
    """Rows of a table, scored.

    Attributes
    ----------
    values : dict of str to list
        The model's columns; null where a value is none of its column.
    predictions : list
        Null for the rows that were not scored.
    probabilities : list of list or None
        Of a classifier: by class, null likewise.
    faults : dict of int to str
        By place among these rows: why it was not scored.
    """

    values: dict[str, list]
    predictions: list
    probabilities: list[list] | None
    faults: dict[int, str]


def score(scorer: Scorer, rows: pd.DataFrame) -> Scored:
    """Score the rows of a table that has the model's columns, and maybe others.

    Parameters
    ----------
    scorer : Scorer
    rows : DataFrame
        As `lib.data.batches` gives them, with numbers where the model has numbers.
    """
    values, faults = {}, {}
    for column in scorer.model.columns:
        if column.name in rows.columns:
            values[column.name] = _plain(column, rows[column.name])
        else:
            values[column.name] = [None] * len(rows)
        for place, value in column.misfits(values[column.name]):
            said = f"column {column.name!r}: got {shown(value)}, expected {column.expected}"
            faults[place] = f"{faults[place]}; {said}" if place in faults else said
            values[column.name][place] = None
    good = [place for place in range(len(rows)) if place not in faults]
    predictions: list = [None] * len(rows)
    probabilities = None if scorer.classes is None else [[None] * len(rows) for _ in scorer.classes]
    for places, (labels, chances) in _answered(scorer, values, good, faults):
        for at, place in enumerate(places):
            predictions[place] = labels[at].item() if isinstance(labels[at], np.generic) else labels[at]
            for number, of_class in enumerate(probabilities or ()):
                of_class[place] = float(chances[at, number])
    return Scored(values, predictions, probabilities, faults)


def _answered(
    scorer: Scorer, values: dict[str, list], places: list[int], faults: dict[int, str]
) -> Iterator[tuple[list[int], Answers]]:
    """Groups of rows with the model's answers; rows that it does not answer are found by halves, and become faults."""
    if not places:
        return
    try:
        labels, chances = scorer.predict({name: [column[place] for place in places] for name, column in values.items()})
        numbers = labels if chances is None else chances
        if np.isfinite(numbers).all():
            yield places, (labels, chances)
            return
        why = "the model's answer is no number"
    except (ValueError, ArithmeticError) as error:
        why = f"the model cannot score it: {str(error)[:300]}"
    if len(places) == 1:
        faults[places[0]] = why
        return
    half = len(places) // 2
    yield from _answered(scorer, values, places[:half], faults)
    yield from _answered(scorer, values, places[half:], faults)


def _plain(column: Column, cells: pd.Series) -> list:
    """Cells as a request would bring them."""
    plain = [None if pd.isna(cell) is True else _value(cell) for cell in cells.tolist()]
    if column.kind.schema["type"] == "boolean":
        return [_TRUTH.get(value.strip().lower(), value) if isinstance(value, str) else value for value in plain]
    return plain


def _value(cell: Any) -> Any:
    if isinstance(cell, datetime.date):  # a Timestamp is one as well
        return cell.isoformat()
    if isinstance(cell, decimal.Decimal):
        return float(cell)
    return cell.item() if isinstance(cell, np.generic) else cell
