"""From floats to features: which of scikit-learn's encoders each kind of column goes through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler, TargetEncoder
from sklearn.utils.fixes import parse_version

# A whole number of so few values (an hour, a season, a grade) may matter level by level.
FEW_VALUES = 24
ROWS_PER_VALUE = 20
RARE_LEVEL_ROWS = 5


def tree_branches(kinds: Sequence[str], target: TargetEncoder) -> CodesByTarget | FunctionTransformer:
    """For trees: level numbers and missing values as they are, codes by what the target was.

    Parameters
    ----------
    kinds : sequence of str
        Kind of each column of floats.
    target : TargetEncoder
        For the codes.
    """
    codes = [place for place, kind in enumerate(kinds) if kind == "code"]
    if not codes:
        return FunctionTransformer(feature_names_out="one-to-one")
    return CodesByTarget(codes, target)


def linear_branches(kinds: Sequence[str], target: TargetEncoder, floats: np.ndarray, levels: dict) -> ColumnTransformer:
    """For linear models: nothing missing, one scale, a feature for each level.

    Parameters
    ----------
    kinds : sequence of str
        Kind of each column of floats.
    target : TargetEncoder
        For the codes.
    floats : numpy.ndarray
        The training columns, to see which have few values.
    levels : dict
        Words of each category, by feature name, for the names of the features.
    """
    codes = [place for place, kind in enumerate(kinds) if kind == "code"]
    numbers = [place for place, kind in enumerate(kinds) if kind in ("number", "date", "text")]
    stepwise = [place for place in numbers if kinds[place] != "text" and _has_few_values(floats[:, place])]
    categories = [place for place, kind in enumerate(kinds) if kind == "category"]
    # A value outside what training saw is taken to its edge: a column that hardly varied would else be a
    # hundred deviations off, and carry the prediction with it.
    scaled = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), MinMaxScaler(clip=True), StandardScaler()
    )
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=RARE_LEVEL_ROWS,
        feature_name_combiner=_LevelNames(levels),
    )
    return ColumnTransformer(
        [
            ("number", scaled, numbers),
            ("level", one_hot, categories + stepwise),
            ("code", make_pipeline(target, StandardScaler()), codes),
        ],
        verbose_feature_names_out=False,
    )


def target_encoder(y: np.ndarray, is_classification: bool, seed: int) -> TargetEncoder:
    """Encoder of codes by the target, whose folds fit the classes there are."""
    if not is_classification:
        kind, splitter, folds = "continuous", KFold, min(5, len(y))
    else:
        _, rows_per_class = np.unique(y, return_counts=True)
        kind = "multiclass" if len(rows_per_class) > 2 else "binary"
        splitter, folds = StratifiedKFold, max(2, min(5, rows_per_class.max()))
    if parse_version(sklearn.__version__) < parse_version("1.9"):
        return TargetEncoder(target_type=kind, cv=folds, random_state=seed)
    return TargetEncoder(target_type=kind, cv=splitter(folds, shuffle=True, random_state=seed))


def _has_few_values(column: np.ndarray) -> bool:
    present = column[~np.isnan(column)]
    # A look at some rows spares the sort of a long column of prices.
    if len(np.unique(present[:1000])) > FEW_VALUES:
        return False
    values = np.unique(present)
    is_whole = bool(np.all(values == np.round(values)))
    return is_whole and 2 < len(values) <= FEW_VALUES and len(present) >= ROWS_PER_VALUE * len(values)


class CodesByTarget(TransformerMixin, BaseEstimator):
    """Codes by what the target was, behind all other columns: scikit-learn's ColumnTransformer without its copies.

    Parameters
    ----------
    codes : list of int
        Places of the codes.
    target : TargetEncoder

    Notes
    -----
    The array that is given is worked on in place: a large table is not there twice.
    """

    def __init__(self, codes: list[int], target: TargetEncoder):
        self.codes = codes
        self.target = target

    def fit(self, floats: np.ndarray, y: np.ndarray) -> CodesByTarget:
        """Learn what the target was at each level."""
        self.target_ = clone(self.target).fit(floats[:, self.codes], y)
        return self

    def fit_transform(self, floats: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Learn, and give features in which no row's own target is."""
        self.target_ = clone(self.target)
        return self._behind_others(floats, self.target_.fit_transform(floats[:, self.codes], y))

    def transform(self, floats: np.ndarray) -> np.ndarray:
        """Features, those of the codes last."""
        return self._behind_others(floats, self.target_.transform(floats[:, self.codes]))

    def get_feature_names_out(self, names: np.ndarray) -> np.ndarray:
        """Names of the features."""
        others = [name for place, name in enumerate(names) if place not in self.codes]
        return np.array([*others, *self.target_.get_feature_names_out(names[self.codes])], dtype=object)

    def _behind_others(self, floats: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        others = [place for place in range(floats.shape[1]) if place not in self.codes]
        width = len(others) + encoded.shape[1]
        # With more than two classes a code has a feature for each, and the array is too narrow.
        features = floats if width == floats.shape[1] else np.empty((len(floats), width))
        for place, other in enumerate(others):
            if features is not floats or place != other:
                features[:, place] = floats[:, other]
        features[:, len(others) :] = encoded
        return features


class _LevelNames:
    """Names of one-hot features, with the level's word where it is known: ``Sex_male``."""

    def __init__(self, levels: dict):
        self.levels = levels

    def __call__(self, feature: str, level: float | str) -> str:
        if isinstance(level, str):  # scikit-learn's own name for rare levels
            return f"{feature}_{level}"
        if np.isnan(level):
            return f"{feature}_missing"
        words = self.levels.get(feature)
        return f"{feature}_{words[int(level)] if words else int(level)}"
