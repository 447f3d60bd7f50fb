"""The reference: how the values of each column, and the predictions, were spread over cells before the model served."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib.monitoring.cells import CATEGORY, Cells, make_cells, make_number_cells
from lib.monitoring.seasons import RowSeasons

# The output of the model among the columns; in brackets, because a column may be called "prediction".
PREDICTION = "(prediction)"
# The error of the model where the true value is known.
ERROR = "(error)"
_QUANTILES = np.linspace(0.1, 0.9, 9)
_MAX_SHUFFLED_ROWS = 1_000


@dataclass(frozen=True)
class ModelOutput:
    """The output of a model for rows.

    Attributes
    ----------
    values : ndarray of shape (rows,)
        Numbers, probabilities of the positive class, or names of classes: what is monitored.
    scores : ndarray of float, of shape (rows,) or (rows, classes)
        Numbers or probabilities, which show whether the output depends on a column.
    """

    values: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class ColumnReference:
    """The reference of one column.

    Attributes
    ----------
    cells : Cells
    counts : tuple of int
        Number of reference rows in each cell.
    effect : float or None
        Mean absolute change of the model's output if the column is shuffled among the reference rows; None if that
        cannot tell, because all values are equal.
    seasonal_counts : tuple of tuple of int
        Number of reference rows by season and cell; empty if seasons are not compared.
    """

    cells: Cells
    counts: tuple[int, ...]
    effect: float | None = None
    seasonal_counts: tuple[tuple[int, ...], ...] = ()

    @property
    def is_used(self) -> bool:
        """Whether the model's output depends on the column."""
        return self.effect is None or self.effect > 0

    def to_dict(self) -> dict[str, Any]:
        """Return the reference as JSON types."""
        values = {"cells": self.cells.to_dict(), "counts": list(self.counts), "effect": self.effect}
        return values | {"seasonal_counts": [list(counts) for counts in self.seasonal_counts]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ColumnReference:
        """Return the reference that `to_dict` described."""
        seasonal_counts = tuple(tuple(counts) for counts in values.get("seasonal_counts", ()))
        return cls(Cells.from_dict(values["cells"]), tuple(values["counts"]), values["effect"], seasonal_counts)


def make_references(
    statistics: Mapping[str, Mapping[str, Any]],
    rows: pd.DataFrame,
    predict: Callable[[pd.DataFrame], ModelOutput],
    classes: Sequence[str],
    seed: int,
    season: RowSeasons | None = None,
) -> dict[str, ColumnReference]:
    """Return the reference of each column and of the prediction.

    Parameters
    ----------
    statistics : mapping
        Statistics of the training rows by column, from the baseline. The cells come from them.
    rows : DataFrame of shape (rows, columns)
        Rows that the model was not trained on. Their counts are the reference, because neither the cells nor the fit
        used them: like later rows, they are new to both.
    predict : callable
        Returns the model's output for rows.
    classes : sequence of str
        The classes of a multiclass task; empty for other tasks.
    seed : int
        Seed of the generator that shuffles columns and chooses the rows for the cells of the prediction.
    season : RowSeasons, optional
        The season of each row; without it, seasons are not compared.

    Returns
    -------
    dict of str to ColumnReference
        Columns of dates, and columns without a value in training, are left out.
    """
    random = np.random.default_rng(seed)
    outputs = predict(rows).values
    references = {}
    sample = rows.sample(min(len(rows), _MAX_SHUFFLED_ROWS), random_state=seed)
    sample_scores = predict(sample).scores
    for name in rows.columns:
        cells = make_cells(statistics[name]) if name in statistics else None
        if cells is None:
            continue
        shuffled = sample.assign(**{name: sample[name].to_numpy()[random.permutation(len(sample))]})
        effect = None
        if sample[name].nunique(dropna=False) > 1:
            scores = predict(shuffled.astype({name: sample[name].dtype})).scores
            effect = float(np.mean(np.abs(scores - sample_scores)))
        references[str(name)] = count_reference(cells, rows[name], effect, season)
    references[PREDICTION] = _make_prediction_reference(outputs, classes, seed, season)
    return references


def count_reference(
    cells: Cells, values: pd.Series, effect: float | None = None, season: RowSeasons | None = None
) -> ColumnReference:
    """Return the reference of a column with these values."""
    numbers = cells.assign(values)
    counts = np.bincount(numbers, minlength=cells.count)
    seasonal_counts = season.count_rows(numbers, cells.count) if season is not None else ()
    return ColumnReference(cells, tuple(counts.tolist()), effect, seasonal_counts)


def make_number_reference(values: np.ndarray, seed: int, season: RowSeasons | None = None) -> ColumnReference:
    """Return the reference of numbers such as predictions or errors.

    The cells are quantiles of one half of the rows, and the other half is counted: if the same rows chose the cells and
    were counted, their counts would be too even.
    """
    random = np.random.default_rng(seed)
    is_first_half = random.permutation(len(values)) % 2 == 0
    cells = make_number_cells(np.quantile(values[is_first_half], _QUANTILES).tolist())
    counted = ~is_first_half
    return count_reference(cells, pd.Series(values[counted]), season=season.select(counted) if season else None)


def _make_prediction_reference(
    outputs: np.ndarray, classes: Sequence[str], seed: int, season: RowSeasons | None
) -> ColumnReference:
    """Return the reference of the model's output."""
    if not classes:
        return make_number_reference(outputs, seed, season)
    return count_reference(Cells(CATEGORY, categories=tuple(classes)), pd.Series(outputs), season=season)
