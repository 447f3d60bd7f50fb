"""The one transformer between a raw table and a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from lib.training.features.array_encoder import ArrayEncoder
from lib.training.features.branches import linear_branches, target_encoder, tree_branches
from lib.training.features.errors import FeatureError
from lib.training.features.kinds import LeftOut, recognise

# A column with fewer values than this is sure to be all missing in some sample of the rows, and
# scikit-learn's histogram boosting fails on a column without a value.
FEWEST_VALUES = 3
FEWEST_VALUES_SHARE = 0.001
_ROWS_AT_ONCE = 2**14


class TableEncoder(TransformerMixin, BaseEstimator):
    """Turn raw columns into features, and remember how.

    Parameters
    ----------
    style : {"trees", "linear"}
        ``"trees"``: missing values stay, levels are numbered. ``"linear"``: missing values are filled
        and marked, numbers scaled, levels one-hot.
    is_classification : bool
        Whether the target holds classes.
    seed : int
        Of the folds for codes and of the topics of texts.
    max_levels : int
        Categories with more levels are codes, encoded by what the target was at each level.
    topics : int
        Features made of a text, at the most.
    month_first : bool
        Whether ``03/04/2005`` is the fourth of March, in a column where no row tells day from month.

    Attributes
    ----------
    columns_ : dict of str to Column
        How each column that is used is read; its ``kind`` says what it was taken for.
    left_out_ : dict of str to str
        Columns that are not used, each with the reason.
    feature_names_in_ : numpy.ndarray
        Names of all columns seen in training.

    Notes
    -----
    ``fit(X, y).transform(X)`` differs from ``fit_transform(X, y)`` where there are codes: training
    rows are encoded by folds, so that no row's own target is in its features.
    """

    def __init__(
        self,
        style: str = "trees",
        is_classification: bool = True,
        seed: int = 0,
        max_levels: int = 30,
        topics: int = 16,
        month_first: bool = False,
    ):
        self.style = style
        self.is_classification = is_classification
        self.seed = seed
        self.max_levels = max_levels
        self.topics = topics
        self.month_first = month_first

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> TableEncoder:
        """Learn what each column holds."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
        """Learn what each column holds, and give the features of these rows.

        Raises
        ------
        FeatureError
            If two columns have one name, or no column has anything to learn from.
        """
        floats = self._recognise(X)
        kinds = [column.kind for column in self.columns_.values() for _ in column.parts]
        target = target_encoder(y, self.is_classification, self.seed)
        if self.style == "linear":
            levels = {str(name): column.levels for name, column in self.columns_.items() if column.kind == "category"}
            self._branches = linear_branches(kinds, target, floats, levels)
        else:
            self._branches = tree_branches(kinds, target)
        with warnings.catch_warnings():
            # A class with fewer rows than there are folds is encoded all the same, by the folds it is in.
            warnings.filterwarnings("ignore", message="The least populated class")
            return self._branches.fit_transform(floats, y)

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Features of rows with the columns known from training, in any order.

        Raises
        ------
        FeatureError
            If a column that the model uses is missing.
        """
        check_is_fitted(self, "_branches")
        missing = [str(name) for name in self.columns_ if name not in X.columns]
        if missing:
            raise FeatureError(f"These columns are needed for a prediction and are missing: {', '.join(missing)}.")
        return self._branches.transform(self._read(X)[0])

    def direct(self) -> ArrayEncoder:
        """The same transformation for plain arrays of checked values, without what pandas and checks cost a row."""
        check_is_fitted(self, "_branches")
        return ArrayEncoder(self)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the features, made of the columns' names."""
        check_is_fitted(self, "_branches")
        names = [
            f"{name}_{part}" if part else str(name) for name, column in self.columns_.items() for part in column.parts
        ]
        return self._branches.get_feature_names_out(np.array(names, dtype=object))

    def _recognise(self, X: pd.DataFrame) -> np.ndarray:
        """Set ``columns_`` and ``left_out_``; the columns as floats."""
        if not X.columns.is_unique:
            twice = sorted({str(name) for name in X.columns[X.columns.duplicated()]})
            raise FeatureError(f"Two columns have the same name: {', '.join(twice)}.")
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        found = {
            name: recognise(values, self.max_levels, self.topics, self.seed, self.month_first)
            for name, values in X.items()
        }
        self.left_out_ = {name: column.reason for name, column in found.items() if isinstance(column, LeftOut)}
        self.columns_ = {name: column for name, column in found.items() if name not in self.left_out_}
        floats, empty = self._read(X, _nothing_to_learn)
        self.left_out_ |= empty
        self.columns_ = {name: column for name, column in self.columns_.items() if name not in empty}
        if not self.columns_:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.left_out_.items())
            raise FeatureError(f"No column has anything to learn from ({reasons or 'there is none'}).")
        return floats

    def _read(
        self, X: pd.DataFrame, refused: Callable[[np.ndarray], str] | None = None
    ) -> tuple[np.ndarray, dict[str, str]]:
        """Columns as floats in one array, and those that are refused.

        Each is read into its place at once: what is freed between others goes back to no one. The array is row by row
        in memory, for of any other scikit-learn makes a copy when it draws the rows that it finds its bins from.
        """
        width = sum(len(column.parts) for column in self.columns_.values())
        floats, end, left_out = np.empty((len(X), width)), 0, {}
        for name, column in self.columns_.items():
            read = column.read(X[name])
            if refused and (reason := refused(read)):
                left_out[name] = reason
                continue
            floats[:, end : end + read.shape[1]] = read
            end += read.shape[1]
        return _narrowed(floats, end), left_out


def _narrowed(floats: np.ndarray, width: int) -> np.ndarray:
    """The first columns, row by row in the memory of all."""
    if width == floats.shape[1]:
        return floats
    flat = floats.reshape(-1)
    for start in range(0, len(floats), _ROWS_AT_ONCE):
        some = floats[start : start + _ROWS_AT_ONCE, :width].copy()
        flat[start * width : start * width + some.size] = some.reshape(-1)
    return flat[: len(floats) * width].reshape(len(floats), width)


def _nothing_to_learn(read: np.ndarray) -> str:
    """Why a column tells nothing, or an empty text."""
    if read.shape[1] == 0:
        return "always the same value"
    first = read[:, 0]
    present = first[~np.isnan(first)]
    if len(present) == 0:
        return "all values are missing"
    if len(present) < max(FEWEST_VALUES, FEWEST_VALUES_SHARE * len(first)) and len(present) < len(first):
        return "nearly all values are missing"
    if len(present) == len(first) and read.shape[1] == 1 and present.min() == present.max():
        return "always the same value"
    return ""
