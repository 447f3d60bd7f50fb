"""The features and the target of the training and test rows, as training functions receive them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import metrics
from lib.errors import ParameterError
from lib.schema.table_schema import FEATURE_SCHEMA, TableSchema
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
    """

    X: pd.DataFrame
    y: pd.Series
    X_test: pd.DataFrame
    y_test: pd.Series

    @classmethod
    def read(cls, read: Callable[[str], pd.DataFrame], parameters: Parameters) -> ModelRows:
        """Read the training and test rows, and separate the target from the features.

        Parameters
        ----------
        read : callable
            Returns the table at a URI.
        parameters : Parameters
            ``train_data``, ``test_data``, ``target_column``, ``task`` and ``primary_metric``.

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
        return cls(X, y, X_test, y_test)

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


def get_feature_schema(baseline: dict[str, Any]) -> TableSchema | None:
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
