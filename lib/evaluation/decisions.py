"""The decision rule of a model, from the parameters ``threshold`` and ``costs`` and from out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib.errors import DataError
from lib.evaluation.costs import BinaryCosts, has_costs, read_amounts, read_binary_costs, read_cost_matrix
from lib.evaluation.out_of_fold import OutOfFold
from lib.evaluation.thresholds import BinaryRows, choose_threshold, estimate_interval
from lib.metrics import Predictions, find_positive_class
from lib.parameters.thresholds import COST, parse_threshold
from lib.scoring.decision_rules import CostRule, DecisionRule, ThresholdRule

if TYPE_CHECKING:
    from lib.parameters import Parameters


def make_rule(
    parameters: Parameters,
    X: pd.DataFrame,
    y: pd.Series,
    predict: Callable[[], OutOfFold],
    weights: np.ndarray | None = None,
) -> DecisionRule | None:
    """Return the decision rule that the parameters ask for.

    Parameters
    ----------
    parameters : Parameters
        ``threshold``, ``costs``, ``cost_column``, ``task``, ``positive_class`` and ``seed``.
    X, y : DataFrame and Series
        The training rows.
    predict : callable
        Returns out-of-fold predictions for training rows. It is called only if a threshold is chosen from them.
    weights : ndarray of shape (rows,), optional
        Weights of the training rows; 1 by default.

    Returns
    -------
    ThresholdRule, CostRule or None
        None if the most probable class is to be predicted.

    Raises
    ------
    ParameterError
        If ``costs`` names a class that does not exist, or there is no column ``cost_column``.
    DataError
        If there are too few rows, the cost column contains other values than numbers, or no threshold reaches the
        requested precision.
    """
    setting = parse_threshold(parameters.threshold)
    if parameters.task == "regression":
        return None
    classes = sorted(y.unique().tolist())
    if parameters.task == "multiclass":
        matrix = read_cost_matrix(parameters.costs or {}, classes, parameters.target_column)
        return CostRule(matrix) if setting.goal == COST else None
    costs = read_binary_costs(parameters, classes) if has_costs(parameters) else None
    if setting.is_default:
        return None
    column = classes.index(find_positive_class(classes, parameters.positive_class))
    if not setting.is_chosen_from_data:
        return ThresholdRule(column, setting.value, str(parameters.threshold))
    amounts = read_amounts(X, parameters.cost_column) if parameters.cost_column else None
    out_of_fold = predict()
    held_out = out_of_fold.rows
    rows = make_binary_rows(
        y.iloc[held_out],
        out_of_fold.predictions,
        costs,
        None if amounts is None else amounts[held_out],
        None if weights is None else weights[held_out],
    )
    if not rows.is_positive.any() or rows.is_positive.all():
        raise DataError(
            f"threshold: {parameters.threshold} cannot be chosen, because the held-out rows have one class only. "
            "Set threshold to a number, or provide more rows."
        )
    threshold = choose_threshold(rows, setting)
    return ThresholdRule(
        column, threshold, str(parameters.threshold), estimate_interval(rows, setting, parameters.seed)
    )


def make_binary_rows(
    y: pd.Series,
    predictions: Predictions,
    costs: BinaryCosts | None,
    amounts: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> BinaryRows:
    """Return the rows of a binary task with the costs of both decisions.

    Parameters
    ----------
    y : Series of shape (rows,)
        True classes.
    predictions : Predictions
    costs : BinaryCosts or None
        None means that all costs are 0.
    amounts : ndarray of shape (rows,), optional
        Numbers of the cost column; 1 by default.
    weights : ndarray of shape (rows,), optional
        1 by default.
    """
    costs = costs or BinaryCosts()
    is_positive = y.to_numpy() == predictions.positive_class
    return BinaryRows(
        is_positive,
        predictions.positive_probability,
        np.ones(len(y)) if weights is None else weights,
        costs.if_called(is_positive),
        costs.if_not_called(is_positive, amounts),
    )
