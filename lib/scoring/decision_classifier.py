"""A classifier whose predicted classes follow from its probabilities by a rule that is stored with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

from lib.scoring.decision_rules import DecisionRule


class DecisionClassifier(ClassifierMixin, BaseEstimator):
    """A fitted classifier with a decision rule.

    Parameters
    ----------
    model : estimator
        Fitted, with ``predict_proba`` and ``classes_``.
    rule : ThresholdRule or CostRule
        Chooses the predicted class from the probabilities of `model`.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from lib.scoring.decision_rules import ThresholdRule
    >>> X, y = [[0]] * 4, ["no", "no", "no", "yes"]
    >>> DecisionClassifier(DummyClassifier().fit(X, y), ThresholdRule(1, 0.2)).predict(X[:1]).tolist()
    ['yes']
    """

    def __init__(self, model: Any, rule: DecisionRule):
        self.model = model
        self.rule = rule

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> DecisionClassifier:
        """Do nothing: the model is fitted already."""
        return self

    @property
    def classes_(self) -> np.ndarray:
        """The classes of the model."""
        return np.asarray(self.model.classes_)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the model, of shape (rows, classes)."""
        return self.model.predict_proba(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each row that the rule chooses."""
        return self.classes_.take(self.rule.choose(np.asarray(self.predict_proba(X))))


def with_rule(model: Any, rule: DecisionRule) -> Any:
    """Return a fitted classifier with a decision rule; in a pipeline, the last step gets the rule."""
    if not isinstance(model, Pipeline):
        return DecisionClassifier(model, rule)
    *steps, (name, last) = model.steps
    return Pipeline([*steps, (name, DecisionClassifier(last, rule))])
