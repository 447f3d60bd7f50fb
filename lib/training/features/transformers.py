"""The scikit-learn encoders that convert floats to features, for each model kind of `TableEncoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler, TargetEncoder

# For linear models, a column of whole numbers with few distinct values, such as hours or grades, is encoded one-hot.
MAX_DISTINCT_VALUES = 24
MIN_ROWS_PER_VALUE = 20
MIN_ROWS_PER_CATEGORY = 5
_SAMPLE_ROWS = 1000


def make_tree_transformer(
    kinds: Sequence[str], target_encoder: TargetEncoder
) -> CodesTargetEncoder | FunctionTransformer:
    """Return the transformer for trees: floats pass through, and codes are target-encoded.

    Parameters
    ----------
    kinds : sequence of str
        Kind of each float column.
    target_encoder : TargetEncoder
        Encoder of the codes.
    """
    codes = _find_positions(kinds, "code")
    if not codes:
        return FunctionTransformer(feature_names_out="one-to-one")
    return CodesTargetEncoder(codes, target_encoder)


def make_linear_transformer(
    kinds: Sequence[str],
    target_encoder: TargetEncoder | Literal["passthrough"],
    floats: np.ndarray,
    categories: Mapping[str, Sequence[str]],
) -> ColumnTransformer:
    """Return the transformer for linear models: imputed and scaled numbers, and one-hot categories.

    Parameters
    ----------
    kinds : sequence of str
        Kind of each float column.
    target_encoder : TargetEncoder or "passthrough"
        Encoder of the codes.
    floats : numpy.ndarray of shape (rows, columns)
        The training rows, to find columns of numbers with few distinct values.
    categories : mapping of str to sequence of str
        Names of the categories by column, for the names of the one-hot features.
    """
    numbers = _find_positions(kinds, "number", "ordered", "date", "text")
    few_valued = [
        position for position in _find_positions(kinds, "number", "date") if _has_few_values(floats[:, position])
    ]
    # Values outside the training range are clipped to the range. Otherwise, in a column that hardly varied, a new value
    # could be a hundred standard deviations away and dominate the prediction.
    scaler = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), MinMaxScaler(clip=True), StandardScaler()
    )
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=MIN_ROWS_PER_CATEGORY,
        feature_name_combiner=_CategoryNameCombiner(categories),
    )
    return ColumnTransformer(
        [
            ("number", scaler, numbers),
            ("category", one_hot, _find_positions(kinds, "category") + few_valued),
            ("code", make_pipeline(target_encoder, StandardScaler()), _find_positions(kinds, "code")),
        ],
        verbose_feature_names_out=False,
    )


def make_target_encoder(y: np.ndarray, is_classification: bool, seed: int) -> TargetEncoder:
    """Return an unfitted target encoder, with as many folds as the classes of `y` allow."""
    if not is_classification:
        folds = KFold(min(5, len(y)), shuffle=True, random_state=seed)
        return TargetEncoder(target_type="continuous", cv=folds)
    rows_per_class = np.unique(y, return_counts=True)[1]
    fold_count = max(2, min(5, rows_per_class.max()))
    target_type = "multiclass" if len(rows_per_class) > 2 else "binary"
    folds = StratifiedKFold(fold_count, shuffle=True, random_state=seed)
    return TargetEncoder(target_type=target_type, cv=folds)


def _find_positions(kinds: Sequence[str], *wanted_kinds: str) -> list[int]:
    """Return the positions of the columns that have one of the wanted kinds."""
    return [position for position, kind in enumerate(kinds) if kind in wanted_kinds]


def _has_few_values(column: np.ndarray) -> bool:
    """Return whether a column contains only whole numbers, few but at least three distinct ones, each in many rows."""
    present = column[~np.isnan(column)]
    if len(np.unique(present[:_SAMPLE_ROWS])) > MAX_DISTINCT_VALUES:
        return False
    distinct = np.unique(present)
    is_whole = bool(np.all(distinct == np.round(distinct)))
    is_frequent = len(present) >= MIN_ROWS_PER_VALUE * len(distinct)
    return is_whole and is_frequent and 2 < len(distinct) <= MAX_DISTINCT_VALUES


class CodesTargetEncoder(TransformerMixin, BaseEstimator):
    """Transformer that target-encodes the codes, and puts their features after all other columns.

    Unlike scikit-learn's ColumnTransformer, it writes into the given array, so that memory does not hold a large table
    twice.

    Parameters
    ----------
    codes : list of int
        Positions of the codes among the columns.
    target_encoder : TargetEncoder
        Cloned before it is fitted.
    """

    def __init__(self, codes: list[int], target_encoder: TargetEncoder):
        self.codes = codes
        self.target_encoder = target_encoder

    def fit(self, floats: np.ndarray, y: np.ndarray) -> CodesTargetEncoder:
        """Fit the target encoder."""
        self.target_encoder_ = clone(self.target_encoder).fit(floats[:, self.codes], y)
        return self

    def fit_transform(self, floats: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Fit, and return features that are encoded by folds, so that no row's features contain its own target."""
        self.target_encoder_ = clone(self.target_encoder)
        return self._append_codes(floats, self.target_encoder_.fit_transform(floats[:, self.codes], y))

    def transform(self, floats: np.ndarray) -> np.ndarray:
        """Return the features, with those of the codes last. The memory of `floats` is reused."""
        return self._append_codes(floats, self.target_encoder_.transform(floats[:, self.codes]))

    def get_feature_names_out(self, names: np.ndarray) -> np.ndarray:
        """Return the names of the features."""
        others = [names[position] for position in self._other_positions(len(names))]
        return np.array([*others, *self.target_encoder_.get_feature_names_out(names[self.codes])], dtype=object)

    def _other_positions(self, column_count: int) -> list[int]:
        """Return the positions of the columns that are not codes."""
        return [position for position in range(column_count) if position not in self.codes]

    def _append_codes(self, floats: np.ndarray, encoded_codes: np.ndarray) -> np.ndarray:
        """Move the columns that are not codes to the left, and write the target-encoded codes after them."""
        others = self._other_positions(floats.shape[1])
        feature_count = len(others) + encoded_codes.shape[1]
        # With more than two classes, each column of codes becomes one feature per class, so a larger array is needed.
        features = floats if feature_count == floats.shape[1] else np.empty((len(floats), feature_count))
        for new_position, old_position in enumerate(others):
            if features is not floats or new_position != old_position:
                features[:, new_position] = floats[:, old_position]
        features[:, len(others) :] = encoded_codes
        return features


class _CategoryNameCombiner:
    """Function that names one-hot features, such as ``Sex_male``.

    Parameters
    ----------
    categories : mapping of str to sequence of str
        Names of the categories by column. Columns that are not listed contain numbers.
    """

    def __init__(self, categories: Mapping[str, Sequence[str]]):
        self.categories = categories

    def __call__(self, column: str, value: float | str) -> str:
        """Return the name of the feature for one value of a column."""
        if isinstance(value, str):  # scikit-learn's name for infrequent categories
            return f"{column}_{value}"
        if np.isnan(value):
            return f"{column}_missing"
        names = self.categories.get(column)
        return f"{column}_{names[int(value)] if names else int(value)}"
