"""The features and the target of the training and test rows, as training functions receive them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import metrics
from lib.errors import ParameterError
from lib.schema.table_schema import FEATURE_SCHEMA, TableSchema
from lib.stages._hidden_columns import read_hidden_columns, read_row_weights
from lib.tables import cleaning, frames
from lib.tables.quality import privacy

if TYPE_CHECKING:
    from lib.parameters import Parameters

_SOURCE = "the preprocessed rows"
EXAMPLE_ROWS = 100


@dataclass(frozen=True)
class ModelRows:
    """Features and target of both sides of the split.

    Attributes
    ----------
    X, X_test : DataFrame of shape (rows, columns)
        Raw columns of the training rows and of the test rows.
    y, y_test : Series of shape (rows,)
        The target of the training rows and of the test rows.
    weights, weights_test : ndarray of shape (rows,) or None
        Weight of each row; None without ``weight_column``.
    hidden : DataFrame or None
        Columns of the training rows that models do not see, such as keys of the split; None if there are none.
    """

    X: pd.DataFrame
    y: pd.Series
    X_test: pd.DataFrame
    y_test: pd.Series
    weights: np.ndarray | None = None
    weights_test: np.ndarray | None = None
    hidden: pd.DataFrame | None = None

    @classmethod
    def read(
        cls, read: Callable[[str], pd.DataFrame], parameters: Parameters, baseline: Mapping[str, Any] | None = None
    ) -> ModelRows:
        """Read the training and test rows, and separate the target from the features.

        Parameters
        ----------
        read : callable
            Returns the table at a URI.
        parameters : Parameters
            ``train_data``, ``test_data``, ``target_column``, ``task``, ``primary_metric`` and ``weight_column``.
        baseline : mapping, optional
            The baseline from preprocess. Without it, there are neither weights nor hidden columns.

        Raises
        ------
        NameNotFound
            If the rows lack the target column.
        ParameterError
            If the primary metric is undefined for the target.
        """
        target = parameters.target_column
        sides = [read(parameters.train_data), read(parameters.test_data)]
        y, y_test = (frames.get_column(rows, target, where=_SOURCE) for rows in sides)
        X, X_test = (cleaning.drop_columns(rows, [target], where=_SOURCE) for rows in sides)
        _check_primary_metric(pd.concat([y, y_test]), parameters)
        if baseline is None:
            return cls(X, y, X_test, y_test)
        hidden, hidden_test = (read_hidden_columns(read, baseline, side) for side in ("train", "test"))
        weights = read_row_weights(hidden, "training", parameters)
        weights_test = read_row_weights(hidden_test, "test", parameters)
        return cls(X, y, X_test, y_test, weights, weights_test, hidden)

    def find_keys(self, split: Mapping[str, Any] | None) -> pd.DataFrame:
        """Return the training rows, with the hidden columns if a split may have divided the rows by them."""
        return self.X if split is None or self.hidden is None else self.X.assign(**self.hidden)

    def select(self, positions: np.ndarray) -> ModelRows:
        """Return some of the training rows, with all test rows."""
        return replace(
            self,
            X=self.X.iloc[positions].reset_index(drop=True),
            y=self.y.iloc[positions].reset_index(drop=True),
            weights=None if self.weights is None else self.weights[positions],
            hidden=None if self.hidden is None else self.hidden.iloc[positions].reset_index(drop=True),
        )

    @property
    def all_features(self) -> pd.DataFrame:
        """The features of the training and test rows together."""
        return pd.concat([self.X, self.X_test], ignore_index=True)


def make_examples(rows: ModelRows, baseline: dict[str, Any], parameters: Parameters) -> pd.DataFrame:
    """Return the example rows that are stored with a model: synthetic ones, unless ``show_rows`` allows test rows."""
    if parameters.show_rows:
        return rows.X_test.head(EXAMPLE_ROWS)
    schema = get_feature_schema(baseline)
    return privacy.draw_sample(rows.all_features, EXAMPLE_ROWS, parameters.private_columns, schema)


def get_feature_schema(baseline: Mapping[str, Any]) -> TableSchema | None:
    """Return the feature schema in a baseline; None if the baseline has none, as in earlier releases."""
    return TableSchema.from_dict(baseline[FEATURE_SCHEMA]) if FEATURE_SCHEMA in baseline else None


def _check_primary_metric(y: pd.Series, parameters: Parameters) -> None:
    """Raise ParameterError if the primary metric is undefined for these values of the target."""
    reason = parameters.metric.undefined_reason(y)
    if reason:
        *others, last = [metric.name for metric in metrics.for_task(parameters.task) if not metric.undefined_reason(y)]
        raise ParameterError(
            f"primary_metric: {reason.replace('the target', parameters.target_column)}. Choose another metric, such as "
            f"{', '.join(others)} or {last}."
        )
