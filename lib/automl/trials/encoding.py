"""The table that the models of a search receive: encoded features, and the target as labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib import metrics
from lib.automl import SearchRequest
from lib.errors import DataError, StageError
from lib.metrics import Predictions
from lib.training.features import FeatureError, TableEncoder, target_array


@dataclass(frozen=True)
class EncodedTarget:
    """The target of some rows.

    Attributes
    ----------
    values : ndarray of shape (rows,)
        Classes, or numbers for a regression.
    labels : ndarray of shape (rows,)
        Index of each row's class; for a regression, the same as `values`.
    classes : ndarray of shape (classes,) or None
        All classes, sorted; None for a regression.
    positive_class : object
        Positive class of a binary task; None for other tasks.
    raw : DataFrame of shape (rows, columns) or None
        Raw columns of the rows, for a metric of the customer's own; None for other metrics.
    """

    values: np.ndarray
    labels: np.ndarray
    classes: np.ndarray | None
    positive_class: Any
    raw: pd.DataFrame | None = None

    @property
    def output_count(self) -> int:
        """Number of a model's outputs for each row: a probability per class, or one number."""
        return 1 if self.classes is None else len(self.classes)

    def take(self, rows: np.ndarray) -> EncodedTarget:
        """Return the target of the rows at these positions."""
        raw = None if self.raw is None else self.raw.iloc[rows]
        return EncodedTarget(self.values[rows], self.labels[rows], self.classes, self.positive_class, raw)

    def make_predictions(self, outputs: np.ndarray, raw: pd.DataFrame | None = None) -> Predictions:
        """Convert the outputs of a model into predictions for metrics.

        Parameters
        ----------
        outputs : ndarray of shape (rows, output_count)
            Probabilities, or predicted numbers for a regression.
        raw : DataFrame, optional
            Raw columns of the predicted rows, for a metric of the customer's own.

        Examples
        --------
        >>> target = EncodedTarget(np.array(["a", "b"]), np.array([0, 1]), np.array(["a", "b"]), "b")
        >>> target.make_predictions(np.array([[0.2, 0.8]])).labels.tolist()
        ['b']
        """
        if self.classes is None:
            return Predictions(outputs[:, 0], rows=raw)
        probabilities = np.clip(outputs, 0, 1)
        probabilities = probabilities / np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-12)
        labels = self.classes[probabilities.argmax(axis=1)]
        return Predictions(labels, probabilities, self.classes, self.positive_class, rows=raw)


def encode_target(y: pd.Series, request: SearchRequest) -> EncodedTarget:
    """Encode the target of the training rows.

    Raises
    ------
    ParameterError
        If the positive class does not occur in a binary target.
    """
    values = target_array(y, request.is_classification)
    if not request.is_classification:
        return EncodedTarget(values, values, None, None, request.rows)
    classes, labels = np.unique(values, return_inverse=True)
    is_binary = request.task == "binary"
    positive_class = metrics.find_positive_class(classes, request.positive_class) if is_binary else None
    return EncodedTarget(values, labels, classes, positive_class, request.rows)


@dataclass(frozen=True)
class EncodedFeatures:
    """The features of a table.

    Attributes
    ----------
    encoder : TableEncoder
        Fitted on the training rows.
    train : ndarray of shape (training rows, features)
        NaN for missing values, and indices for categories.
    test : ndarray of shape (test rows, features)
        Features of the test rows, encoded like `train`.
    """

    encoder: TableEncoder
    train: np.ndarray
    test: np.ndarray


def encode_features(
    X: pd.DataFrame, y_values: np.ndarray, X_test: pd.DataFrame, request: SearchRequest
) -> EncodedFeatures:
    """Fit an encoder for trees on the training rows, and encode the training rows and the test rows.

    Parameters
    ----------
    X : pandas.DataFrame
        Raw columns of the training rows.
    y_values : ndarray of shape (training rows,)
        Target of the training rows, as in `EncodedTarget.values`.
    X_test : pandas.DataFrame
        Raw columns of the test rows.
    request : SearchRequest

    Raises
    ------
    DataError
        If no column can be used, or if columns of the test rows are missing.
    StageError
        If the encoder fails in another way.
    """
    encoder = TableEncoder(
        "trees", request.is_classification, request.seed, month_first=request.month_first, schema=request.schema
    )
    try:
        train = encoder.fit_transform(X, y_values)
        return EncodedFeatures(encoder, train, encoder.transform(X_test))
    except FeatureError as error:
        raise DataError(f"The rows cannot be used for AutoML: {error}") from error
    except Exception as error:
        raise StageError(f"The rows cannot be encoded for AutoML: {type(error).__name__}: {error}") from error
