"""The customer's features as the first step of a model: a function, or a transformer with state, on raw rows.

The step travels with the model, and so do the function and its module (``custom/features/<name>.py``). It gives the
function the same types of values in training, at the endpoint and in batch scoring: numbers are floats, texts and
missing texts are Python objects (``str`` and None), and the columns have the order of the training table.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone

_MAX_LISTED_NAMES = 10
_SINGLE_ROWS = 100
# Sums over several rows may be rounded differently from those over one row.
_RELATIVE_TOLERANCE = 1e-9


class FeatureStepError(ValueError):
    """Features that cannot be computed; the message names the features and the line of their code."""


class FeatureStep(TransformerMixin, BaseEstimator):
    """Computes features from raw columns, as the first step of a model's pipeline.

    Parameters
    ----------
    name : str
        Name of the module in ``custom/features``.
    feature : callable, class or transformer
        A function that takes and returns a DataFrame with a row for each row; or a transformer with ``fit`` and
        ``transform``, or its class, whose state is learnt on the training rows.

    Attributes
    ----------
    columns_ : list of str
        The raw columns, in the order of the training table.
    outputs_ : list of str
        The columns that the model learns from.
    transformer_ : object or None
        The fitted transformer; None for a function.

    Examples
    --------
    >>> def features(X):
    ...     return X.assign(area=X["width"] * X["height"])
    >>> X = pd.DataFrame({"width": [2, 3], "height": [4.0, 5.0]})
    >>> FeatureStep("area", features).fit(X).transform(X)["area"].tolist()
    [8.0, 15.0]
    """

    def __init__(self, name: str, feature: Any):
        self.name = name
        self.feature = feature

    @property
    def is_stateful(self) -> bool:
        """Whether the features are a transformer, which learns on the training rows."""
        return isinstance(self.feature, type) or hasattr(self.feature, "fit")

    @property
    def needs_target(self) -> bool:
        """Whether the transformer's ``fit`` needs the target: its second argument has no default."""
        if not self.is_stateful:
            return False
        parameters = self._fit_parameters()
        return len(parameters) > 1 and parameters[1].default is inspect.Parameter.empty

    def fit(self, X: pd.DataFrame, y: Any = None) -> FeatureStep:
        """Learn the state of a transformer on the training rows, and the names of the columns."""
        self.columns_ = [str(column) for column in X.columns]
        rows = self._normalize(X)
        target = y.reset_index(drop=True) if isinstance(y, pd.Series) else y  # in line with the rows
        self.transformer_ = self._fit_transformer(rows, target) if self.is_stateful else None
        self.outputs_ = [str(column) for column in self._apply(rows).columns]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the columns that the model learns from, for raw rows.

        Raises
        ------
        FeatureStepError
            If the function fails, or returns something else than a DataFrame with the columns of training.
        """
        result = self.compute(X)
        missing = [column for column in self.outputs_ if column not in result.columns]
        if missing:
            raise FeatureStepError(
                f"The features {self.name} lack the column {_list_names(missing)}, which they had in training. Return "
                "the same columns for every table."
            )
        return result[self.outputs_]

    def compute(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return all columns that the features have for these rows, which may differ from those of training."""
        return self._apply(self._normalize(X)).set_axis(X.index, axis=0)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that the model learns from; scikit-learn calls this."""
        return np.array(self.outputs_, dtype=object)

    def _fit_transformer(self, rows: pd.DataFrame, y: Any) -> Any:
        """Return a fitted copy of the transformer."""
        arguments = (rows.copy(),) if len(self._fit_parameters()) < 2 else (rows.copy(), y)
        try:
            transformer = self.feature() if isinstance(self.feature, type) else clone(self.feature, safe=False)
            transformer.fit(*arguments)
        except Exception as error:
            raise FeatureStepError(self._describe(error, "learn")) from error
        return transformer

    def _fit_parameters(self) -> list[inspect.Parameter]:
        """Return the positional parameters of the transformer's ``fit``, without ``self``."""
        parameters = list(inspect.signature(self.feature.fit).parameters.values())
        parameters = parameters[1:] if isinstance(self.feature, type) else parameters
        return [parameter for parameter in parameters if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]

    def _normalize(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return a copy of raw rows, numbered from 0, with the types that the function gets everywhere."""
        missing = [column for column in self.columns_ if column not in X.columns]
        if missing:
            raise FeatureStepError(
                f"The rows lack the column {_list_names(missing)}, which the features {self.name} read."
            )
        columns = {column: normalize_column(X[column].reset_index(drop=True)) for column in self.columns_}
        return pd.DataFrame(columns, index=range(len(X)))

    def _apply(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Call the function or the transformer on normalized rows, and check the result."""
        try:
            if self.transformer_ is None:
                result = self.feature(rows.copy())
            else:
                result = self.transformer_.transform(rows.copy())
        except Exception as error:
            raise FeatureStepError(self._describe(error, "be computed")) from error
        if not isinstance(result, pd.DataFrame):
            raise FeatureStepError(
                f"The features {self.name} are {type(result).__name__}; expected a DataFrame: return X.assign(...)."
            )
        if len(result) != len(rows):
            raise FeatureStepError(
                f"The features {self.name} have {len(result):,} rows for {len(rows):,} rows; expected one for each."
            )
        duplicates = result.columns[result.columns.duplicated()].tolist()
        if duplicates:
            raise FeatureStepError(f"The features {self.name} contain the column {_list_names(duplicates)} twice.")
        return result.set_axis(rows.index, axis=0).rename(columns=str)

    def _describe(self, error: Exception, action: str) -> str:
        """Return which line of the customer's code failed, and how."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "custom" in frame.filename.replace("\\", "/").split("/")[:-1]]
        place = f" in {own[-1].filename}, line {own[-1].lineno}" if own else ""
        return f"The features {self.name} cannot {action}: {type(error).__name__}: {error}{place}."


def normalize_column(values: pd.Series) -> pd.Series:
    """Return a column with the type that it has at the endpoint: floats, booleans, datetimes or Python objects."""
    if pd.api.types.is_bool_dtype(values.dtype) and not values.hasnans:
        return values.astype(bool)
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return values.astype(float)
    if pd.api.types.is_datetime64_any_dtype(values.dtype) or pd.api.types.is_timedelta64_dtype(values.dtype):
        return values
    objects = values.astype(object).to_numpy(copy=True)
    objects[pd.isna(objects)] = None
    return pd.Series(objects, index=values.index, dtype=object)


def find_batch_dependence(step: FeatureStep, X: pd.DataFrame) -> list[str]:
    """Return the features whose value in a row depends on the other rows.

    Parameters
    ----------
    step : FeatureStep
        Fitted.
    X : DataFrame of shape (rows, columns)
        Raw rows; some of them are computed one at a time and compared with all at once.

    Returns
    -------
    list of str
        Names of columns. Such a feature has another value at the endpoint, where requests have one row, than in
        training.
    """
    X = X.reset_index(drop=True)
    together = step.transform(X)
    positions = np.unique(np.linspace(0, len(X) - 1, min(len(X), _SINGLE_ROWS)).astype(int)).tolist()
    if not positions:
        return []
    single = pd.concat([step.compute(X.iloc[[position]]) for position in positions])
    return [
        name
        for name in together.columns
        if name not in single.columns or not are_equal(together[name].iloc[positions], single[name])
    ]


def are_equal(left: pd.Series, right: pd.Series) -> bool:
    """Return whether two columns have the same values up to rounding; missing values are equal to each other."""
    return all(_list_differences(left, right))


def _list_differences(left: pd.Series, right: pd.Series) -> Iterator[bool]:
    """Yield for each row whether the values are equal."""
    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        one_missing, other_missing = _is_missing(one), _is_missing(other)
        if one_missing or other_missing:
            yield one_missing and other_missing
        elif isinstance(one, int | float) and isinstance(other, int | float):
            yield bool(np.isclose(one, other, rtol=_RELATIVE_TOLERANCE, atol=0))
        else:
            yield bool(one == other)


def _is_missing(value: Any) -> bool:
    return value is None or (np.ndim(value) == 0 and bool(pd.isna(value)))


def _list_names(names: list[Any]) -> str:
    listed = ", ".join(repr(str(name)) for name in names[:_MAX_LISTED_NAMES])
    return listed if len(names) <= _MAX_LISTED_NAMES else f"{listed} and {len(names) - _MAX_LISTED_NAMES} more"
