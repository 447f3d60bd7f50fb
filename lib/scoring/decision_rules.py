"""Rules that turn the probabilities of a classifier into predicted classes.

A rule needs nothing but NumPy, so that an endpoint can use it without importing scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lib.scoring.fast_model.form import Answers


@dataclass(frozen=True)
class ThresholdRule:
    """Predicts the positive class of a binary task from a minimum probability on.

    Attributes
    ----------
    positive_column : int
        Column of the positive class in the probabilities, 0 or 1.
    threshold : float
        The minimum probability.
    origin : str
        The parameter ``threshold`` that the rule was made for, e.g. ``"recall:0.8"``.
    interval : tuple of float, or None
        95 % interval of a threshold that was chosen from data; None for a fixed one.

    Examples
    --------
    >>> ThresholdRule(1, 0.2).choose(np.array([[0.9, 0.1], [0.7, 0.3]])).tolist()
    [0, 1]
    """

    positive_column: int
    threshold: float
    origin: str = ""
    interval: tuple[float, float] | None = None

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the column of the predicted class for each row of the probabilities."""
        is_positive = probabilities[:, self.positive_column] >= self.threshold
        return np.where(is_positive, self.positive_column, 1 - self.positive_column)


@dataclass(frozen=True)
class CostRule:
    """Predicts the class with the lowest expected cost.

    Attributes
    ----------
    costs : tuple of tuple of float
        ``costs[actual][predicted]``, by columns of the probabilities.

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning. IJCAI.

    Examples
    --------
    Missing the second class costs ten times as much as a false alarm:

    >>> CostRule(((0, 1), (10, 0))).choose(np.array([[0.95, 0.05], [0.8, 0.2]])).tolist()
    [0, 1]
    """

    costs: tuple[tuple[float, ...], ...]

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the column of the predicted class for each row of the probabilities."""
        # Added class by class: a matrix product rounds differently for one row than for many.
        expected_costs = np.zeros_like(probabilities)
        for actual, costs in enumerate(self.costs):
            expected_costs += probabilities[:, [actual]] * np.array(costs)
        return expected_costs.argmin(axis=1)


DecisionRule = ThresholdRule | CostRule


class DecidedStep:
    """The last step of a fast model, whose labels follow from its probabilities by a rule.

    Parameters
    ----------
    step : callable
        Turns features into labels and probabilities.
    rule : ThresholdRule or CostRule
    classes : numpy.ndarray
        The class of each column of the probabilities.
    """

    def __init__(self, step: Callable[[np.ndarray], Answers], rule: DecisionRule, classes: np.ndarray):
        self.step, self.rule, self.classes = step, rule, classes

    def __call__(self, features: np.ndarray) -> Answers:
        """Return labels and probabilities of shape (rows, classes)."""
        _, probabilities = self.step(features)
        assert probabilities is not None, "only classifiers have a rule"
        return self.classes.take(self.rule.choose(probabilities)), probabilities
