"""The costs of a model's decisions, from the parameters ``costs`` and ``cost_column``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.errors import DataError, ParameterError, suggest
from lib.metrics import find_positive_class

if TYPE_CHECKING:
    from lib.parameters import Parameters

# Costs by actual and predicted class, in the order of the classes.
CostMatrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class BinaryCosts:
    """Costs of the outcomes of a binary task.

    Attributes
    ----------
    false_negative : float
        With a cost column, a factor of the row's number in it.
    false_positive, true_positive, true_negative : float
    """

    false_negative: float = 0.0
    false_positive: float = 0.0
    true_positive: float = 0.0
    true_negative: float = 0.0

    def if_called(self, is_positive: np.ndarray) -> np.ndarray:
        """Return the cost of predicting the positive class in each row, of shape (rows,)."""
        return np.where(is_positive, self.true_positive, self.false_positive).astype(float)

    def if_not_called(self, is_positive: np.ndarray, amounts: np.ndarray | None = None) -> np.ndarray:
        """Return the cost of predicting the negative class in each row, of shape (rows,).

        Parameters
        ----------
        is_positive : ndarray of bool
        amounts : ndarray of float, optional
            Numbers of the cost column; 1 by default.
        """
        missed = self.false_negative * (np.ones(len(is_positive)) if amounts is None else amounts)
        return np.where(is_positive, missed, self.true_negative)


def has_costs(parameters: Parameters) -> bool:
    """Return whether the parameters say what errors cost."""
    return bool(parameters.costs or parameters.cost_column)


def read_binary_costs(parameters: Parameters, classes: list[Any]) -> BinaryCosts:
    """Return the costs of a binary task.

    Parameters
    ----------
    parameters : Parameters
        ``costs``, ``cost_column``, ``positive_class`` and ``target_column``.
    classes : list
        Both classes, sorted.

    Raises
    ------
    ParameterError
        If ``costs`` names a class that does not exist.
    """
    costs = parameters.costs or {}
    if any(isinstance(value, dict) for value in costs.values()):
        matrix = read_cost_matrix(costs, classes, parameters.target_column)
        positive = classes.index(find_positive_class(classes, parameters.positive_class))
        return BinaryCosts(matrix[positive][1 - positive], matrix[1 - positive][positive])
    default = {"false_negative": 1.0} if parameters.cost_column else {}
    return BinaryCosts(**{name: float(cost) for name, cost in (default | costs).items()})


def read_cost_matrix(costs: Mapping[str, Mapping[str, float]], classes: list[Any], target: str) -> CostMatrix:
    """Return the costs by actual and predicted class, in the order of the classes; 0 where no cost is given.

    Raises
    ------
    ParameterError
        If ``costs`` names a class that does not exist.

    Examples
    --------
    >>> read_cost_matrix({"cat": {"dog": 5}}, ["cat", "dog"], "animal")
    ((0.0, 5.0), (0.0, 0.0))
    """
    positions = {str(label): position for position, label in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)))
    for actual, row in costs.items():
        for predicted, cost in row.items():
            for name in (actual, predicted):
                if name not in positions:
                    raise ParameterError(f"costs: {name!r} is not a class of {target}. {suggest(name, positions)}")
            matrix[positions[actual], positions[predicted]] = cost
    return tuple(tuple(row) for row in matrix.tolist())


def read_amounts(rows: pd.DataFrame, cost_column: str) -> np.ndarray:
    """Return the numbers of the cost column, of shape (rows,).

    Raises
    ------
    ParameterError
        If there is no such column.
    DataError
        If the column contains anything but numbers of at least 0.
    """
    if cost_column not in rows.columns:
        raise ParameterError(f"cost_column: there is no column {cost_column!r}. {suggest(cost_column, rows.columns)}")
    amounts = pd.to_numeric(rows[cost_column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    is_invalid = ~(np.isfinite(amounts) & (amounts >= 0))
    if is_invalid.any():
        example = rows[cost_column].iloc[int(is_invalid.argmax())]
        raise DataError(
            f"cost_column: {is_invalid.sum():,} of {len(rows):,} values of {cost_column} are not numbers of at least "
            f"0, such as {example!r}. Correct or fill them in the table or in prepare_data."
        )
    return amounts
