"""From floats to features: which of scikit-learn's encoders each kind of column goes through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sklearn
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


def tree_branches(kinds: Sequence[str], target: TargetEncoder) -> ColumnTransformer | FunctionTransformer:
    """For trees: level numbers and missing values as they are, codes by what the target was.

    Parameters
    ----------
    kinds : sequence of str
        Kind of each column of floats.
    target : TargetEncoder
        For the codes.
    """
    codes = [place for place, kind in enumerate(kinds) if kind == "code"]
    others = [place for place, kind in enumerate(kinds) if kind != "code"]
    if not codes:  # spares a copy of the table
        return FunctionTransformer(feature_names_out="one-to-one")
    return ColumnTransformer(
        [("plain", "passthrough", others), ("code", target, codes)],
        verbose_feature_names_out=False,
    )


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
