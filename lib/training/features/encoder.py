"""The scikit-learn transformer between a raw table and a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from lib.schema.table_schema import TableSchema
from lib.training.features.array_encoder import ArrayEncoder
from lib.training.features.categories import CategoryColumn
from lib.training.features.detection import DetectionOptions, ExcludedColumn, detect_column
from lib.training.features.errors import FeatureError
from lib.training.features.transformers import make_linear_transformer, make_target_encoder, make_tree_transformer

# Columns with fewer present values are excluded: a sample of the rows could contain missing values only, on which
# scikit-learn's histogram gradient boosting fails.
MIN_VALUES = 3
MIN_VALUES_SHARE = 0.001
_CHUNK_ROWS = 2**14


class TableEncoder(TransformerMixin, BaseEstimator):
    """Transformer from raw columns to features.

    Parameters
    ----------
    model_kind : {"trees", "linear"}
        Kind of model that learns from the features. For ``"trees"``, missing values are kept, and categories are
        replaced by their index. For ``"linear"``, missing values are imputed and marked, numbers are scaled, and
        categories are encoded one-hot.
    is_classification : bool
        Whether the target contains classes.
    seed : int
        Seed of the folds for target encoding and of the topics of free text.
    max_categories : int
        Columns with more categories are codes: each category is encoded as the mean of the target in its rows.
    max_topics : int
        Maximum number of features of a free-text column.
    month_first : bool
        Whether ``03/04/2005`` is March 4th, in a column where every date is as ambiguous as this one.
    schema : TableSchema, optional
        How each column is read. Columns without a schema are inferred from the training rows.

    Attributes
    ----------
    columns_ : dict of str to ColumnReader
        Reader of each column in use. A reader's ``kind`` is ``"number"``, ``"ordered"``, ``"category"``, ``"code"``,
        ``"date"`` or ``"text"``.
    excluded_ : dict of str to str
        Columns not in use, each with the reason.
    feature_names_in_ : numpy.ndarray
        Names of all training columns.

    Notes
    -----
    For codes, ``fit_transform(X, y)`` differs from ``fit(X, y).transform(X)``: it encodes the training rows fold by
    fold, so that no row's features contain the target of this row.

    Examples
    --------
    >>> X = pd.DataFrame({"age": [20, 30, 40, 50], "city": ["Rome", None, "Oslo", "Rome"]})
    >>> TableEncoder().fit_transform(X, np.array([0, 1, 1, 0]))
    array([[20.,  1.],
           [30., nan],
           [40.,  0.],
           [50.,  1.]])
    """

    def __init__(
        self,
        model_kind: str = "trees",
        is_classification: bool = True,
        seed: int = 0,
        max_categories: int = 30,
        max_topics: int = 16,
        month_first: bool = False,
        schema: TableSchema | None = None,
    ):
        self.model_kind = model_kind
        self.is_classification = is_classification
        self.seed = seed
        self.max_categories = max_categories
        self.max_topics = max_topics
        self.month_first = month_first
        self.schema = schema

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> TableEncoder:
        """Detect the columns' kinds, and fit the encoders."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
        """Fit, and return the features of the training rows.

        Parameters
        ----------
        X : pandas.DataFrame
            Raw columns.
        y : numpy.ndarray of shape (rows,)
            Target, as `target_array` returns it.

        Returns
        -------
        numpy.ndarray of shape (rows, features)

        Raises
        ------
        FeatureError
            If two columns have the same name, or if no column can be used.
        """
        floats = self._detect_columns(X)
        kinds = self._float_kinds()
        target_encoder = make_target_encoder(y, self.is_classification, self.seed)
        if self.model_kind == "linear":
            categories = {
                str(name): column.categories
                for name, column in self.columns_.items()
                if isinstance(column, CategoryColumn) and column.kind == "category"
            }
            self.transformer_ = make_linear_transformer(kinds, target_encoder, floats, categories)
        else:
            self.transformer_ = make_tree_transformer(kinds, target_encoder)
        with warnings.catch_warnings():
            # Classes with fewer rows than folds can still be encoded, by the folds they are in.
            warnings.filterwarnings("ignore", message="The least populated class")
            return self.transformer_.fit_transform(floats, y)

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Return the features of rows.

        Parameters
        ----------
        X : pandas.DataFrame
            The columns in ``columns_``, in any order; other columns are ignored.

        Returns
        -------
        numpy.ndarray of shape (rows, features)

        Raises
        ------
        FeatureError
            If a column of the model is missing.
        """
        check_is_fitted(self, "transformer_")
        missing = [str(name) for name in self.columns_ if name not in X.columns]
        if missing:
            raise FeatureError(f"Columns that the model needs are missing: {', '.join(missing)}.")
        return self.transformer_.transform(self._read_columns(X)[0])

    def array_encoder(self) -> ArrayEncoder:
        """Return an encoder that computes the same features from plain arrays of valid values."""
        check_is_fitted(self, "transformer_")
        return ArrayEncoder(self)

    def known_categories(self) -> dict[str, dict[str, float]]:
        """Return the categories of each column of categories or codes, with their indices."""
        return {
            str(name): column.index_by_name
            for name, column in self.columns_.items()
            if isinstance(column, CategoryColumn)
        }

    def feature_columns(self) -> list[str]:
        """Return the raw column of each feature."""
        check_is_fitted(self, "transformer_")
        columns = [str(name) for name, column in self.columns_.items() for _ in column.parts]
        # Names that start with the position of a float column: 3, 3_category or missingindicator_3.
        names = self.transformer_.get_feature_names_out(
            np.array([str(number) for number in range(len(columns))], object)
        )
        positions = (name.removeprefix("missingindicator_").partition("_")[0] for name in names)
        return [columns[int(position)] for position in positions]

    def feature_kinds(self) -> list[str]:
        """Return the kind of each feature for trees; target-encoded codes are numbers, and come last."""
        kinds = [kind for kind in self._float_kinds() if kind != "code"]
        return kinds + ["number"] * (len(self.get_feature_names_out()) - len(kinds))

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the features, derived from the names of the columns."""
        check_is_fitted(self, "transformer_")
        names = [
            f"{name}_{part}" if part else str(name) for name, column in self.columns_.items() for part in column.parts
        ]
        return self.transformer_.get_feature_names_out(np.array(names, dtype=object))

    def _float_kinds(self) -> list[str]:
        """Return the kind of each float column; a date, for example, becomes several float columns."""
        return [column.kind for column in self.columns_.values() for _ in column.parts]

    def _detect_columns(self, X: pd.DataFrame) -> np.ndarray:
        """Set ``columns_`` and ``excluded_``, and return the columns as floats."""
        if not X.columns.is_unique:
            duplicates = sorted({str(name) for name in X.columns[X.columns.duplicated()]})
            raise FeatureError(
                f"Column names must be unique, but these repeat: {', '.join(duplicates)}. Rename the columns."
            )
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        options = DetectionOptions(self.max_categories, self.max_topics, self.seed, self.month_first)
        self.columns_, self.excluded_ = {}, {}
        for name, values in X.items():
            column_schema = None if self.schema is None else self.schema.columns.get(name)
            column = detect_column(values, options, column_schema)
            if isinstance(column, ExcludedColumn):
                self.excluded_[name] = column.reason
            else:
                self.columns_[name] = column
        floats, uninformative = self._read_columns(X, _find_exclusion_reason)
        for name, reason in uninformative.items():
            self.excluded_[name] = reason
            del self.columns_[name]
        if not self.columns_:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.excluded_.items())
            raise FeatureError(f"No column can be used as a feature ({reasons or 'the table has no columns'}).")
        return floats

    def _read_columns(
        self, X: pd.DataFrame, find_exclusion_reason: Callable[[np.ndarray], str] = lambda floats: ""
    ) -> tuple[np.ndarray, dict[str, str]]:
        """Return the columns as floats in one array, and the reason for each column that is excluded.

        The array is filled column by column, to hold the table in memory only once. It is in C order, because
        scikit-learn's histogram gradient boosting copies an array in another order.
        """
        float_count = sum(len(column.parts) for column in self.columns_.values())
        all_floats, end, excluded = np.empty((len(X), float_count)), 0, {}
        for name, column in self.columns_.items():
            floats = column.to_floats(X[name])
            if reason := find_exclusion_reason(floats):
                excluded[name] = reason
                continue
            all_floats[:, end : end + floats.shape[1]] = floats
            end += floats.shape[1]
        return _keep_first_columns(all_floats, end), excluded


def _keep_first_columns(array: np.ndarray, count: int) -> np.ndarray:
    """Return the first columns as an array in C order; they are moved within the memory of `array`, not copied."""
    if count == array.shape[1]:
        return array
    memory = array.reshape(-1)
    for start in range(0, len(array), _CHUNK_ROWS):
        chunk = array[start : start + _CHUNK_ROWS, :count].copy()
        memory[start * count : start * count + chunk.size] = chunk.reshape(-1)
    return memory[: len(array) * count].reshape(len(array), count)


def _find_exclusion_reason(floats: np.ndarray) -> str:
    """Return why a model cannot learn from a column; empty if it can.

    `floats` has the shape (rows, features): the features that the column is encoded as, such as the parts of a date.
    """
    row_count, feature_count = floats.shape
    if feature_count == 0:
        return "always the same value"
    values = floats[:, 0]
    present = values[~np.isnan(values)]
    if len(present) == 0:
        return "all values are missing"
    if len(present) < max(MIN_VALUES, MIN_VALUES_SHARE * row_count) and len(present) < row_count:
        return "nearly all values are missing"
    if len(present) == row_count and feature_count == 1 and present.min() == present.max():
        return "always the same value"
    return ""
