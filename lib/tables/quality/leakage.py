"""Leaks: columns that give away the target, and that are unknown when the endpoint receives a request."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lib.schema.date_columns import to_datetimes
from lib.tables.quality.profile import BOOLEAN, DATE, NUMBER, NUMBERS, TEXT, ColumnProfile

MAX_ROWS = 20_000
_FOLDS = 3
_BOOSTING_ROUNDS = 50
# Columns add up to the target if a linear fit explains all of its variance but for rounding.
_EXACT_R2 = 1 - 1e-9
_MIN_ROWS_PER_COLUMN = 5
# In wide tables, only the best columns of a quick screening are scored by cross-validation.
_MAX_SCORED_COLUMNS = 200
# `describe_leaks` runs in every preprocessing. It uses fewer rows and skips columns that explain little.
_QUICK_ROWS = 3_000
_MIN_EXPLAINED_VARIANCE = 0.3
_SCREENING_QUANTILES = np.linspace(0, 1, 65)
_MAX_SCREENED_CLASSES = 30


def leak_threshold(task: str) -> tuple[str, float]:
    """Return the score that measures a single column, and the value from which the column is called a leak.

    Examples
    --------
    >>> leak_threshold("binary")
    ('AUC', 0.995)
    """
    return ("R2", 0.99) if task == "regression" else ("AUC", 0.995)


def describe_leaks(frame: pd.DataFrame, target_column: str, task: str) -> str:
    """Describe the columns that give away the target, alone or by adding up to it.

    A few thousand rows are used, so that the check takes little time.

    Returns
    -------
    str
        A sentence for each leak and one of advice; empty if there are no leaks.
    """
    rows = frame
    if len(frame) > _QUICK_ROWS:  # unlike DataFrame.sample, this does not permute all rows first
        rows = frame.iloc[np.random.default_rng(0).choice(len(frame), _QUICK_ROWS, replace=False, shuffle=False)]
    X, y = rows.drop(columns=target_column), rows[target_column]
    columns = {name: _quick_profile(X[name]) for name in X.columns}
    sentences = []
    addends = find_addends(X, y, columns) if task == "regression" else []
    if len(addends) > 1:
        sentences.append(f"{', '.join(addends)} add up to {target_column}.")
        X = X.drop(columns=addends)
    score_name, threshold = leak_threshold(task)
    scores = TargetPredictability(X, y, task, columns).score_alone(min_explained_variance=_MIN_EXPLAINED_VARIANCE)
    for name, score in scores[scores >= threshold].items():
        sentences.append(f"{name} alone predicts {target_column} ({score_name} {score:.3f}).")
    if not sentences:
        return ""
    return " ".join([*sentences, "Add columns that are unknown at prediction time to drop_columns."])


def _quick_profile(values: pd.Series) -> ColumnProfile:
    """Return a profile by data type only.

    Text is not checked for dates, which would take most of the time; dates rarely give away a target.
    """
    kinds = {"b": BOOLEAN, "M": DATE} | dict.fromkeys("iuf", NUMBER)
    kind = kinds.get(getattr(values.dtype, "kind", "O"), TEXT)
    return ColumnProfile(str(values.name), kind, len(values), int(values.isna().sum()), values.nunique())


class TargetPredictability:
    """Cross-validated scores of how well columns predict a target, on a sample of the rows.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
        Columns without the target.
    target : Series of shape (rows,)
        Target without missing values.
    task : str
    profile : mapping of str to ColumnProfile
    seed : int
        Seed of the sample of at most 20,000 rows and of the folds.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        target: pd.Series,
        task: str,
        profile: Mapping[str, ColumnProfile],
        seed: int = 0,
    ):
        self._is_regression, self._seed = task == "regression", seed
        sample = target.sample(min(len(target), MAX_ROWS), random_state=seed)
        if not self._is_regression:  # each fold needs a row of every class
            counts = sample.value_counts()
            sample = sample[sample.isin(counts.index[counts >= _FOLDS])]
        self._y = sample.to_numpy(dtype=float) if self._is_regression else pd.factorize(sample)[0]
        self._classes = np.unique(self._y)[:_MAX_SCREENED_CLASSES]
        is_multiclass = len(self._classes) > 2
        self._target_type = "continuous" if self._is_regression else "multiclass" if is_multiclass else "binary"
        self._scoring = "r2" if self._is_regression else "roc_auc_ovr" if is_multiclass else "roc_auc"
        encoded = {name: _encode(frame.loc[sample.index, name], profile[name]) for name in frame.columns}
        self._columns = {name: column for name, column in encoded.items() if column is not None}
        if len(self._classes) < 2 or len(self._y) < _FOLDS:
            self._columns = {}
        self._scored = list(self._columns)

    @functools.cached_property
    def _folds(self) -> Any:
        from sklearn.model_selection import KFold, StratifiedKFold

        return (KFold if self._is_regression else StratifiedKFold)(_FOLDS, shuffle=True, random_state=self._seed)

    def score_alone(self, min_explained_variance: float = -math.inf) -> pd.Series:
        """Score each column alone, with a decision tree.

        Parameters
        ----------
        min_explained_variance : float
            Skip columns whose bins explain less of the target's variance.

        Returns
        -------
        Series of float, of shape (columns,)
            R2 of a regression, otherwise AUC (averaged over the classes), best first. In tables of more than 200
            columns, only the best ones.
        """
        names = list(self._columns)
        if min_explained_variance > -math.inf:
            names = [name for name in names if self._explained_variance(name) >= min_explained_variance]
        if not names:
            return pd.Series(dtype=float)

        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import TargetEncoder
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        tree = (DecisionTreeRegressor if self._is_regression else DecisionTreeClassifier)(
            max_leaf_nodes=64, min_samples_leaf=max(2, len(self._y) // 200), random_state=self._seed
        )

        def score(name: str) -> float:
            values, is_categorical = self._columns[name]
            if not is_categorical:
                return self._cross_validate(tree, values)
            encoder = TargetEncoder(target_type=self._target_type, cv=self._folds)
            return self._cross_validate(make_pipeline(encoder, tree), values)

        with threadpool_limits(1):  # with few rows, threads cost more than they save
            if len(names) > _MAX_SCORED_COLUMNS:
                names = sorted(names, key=self._explained_variance, reverse=True)[:_MAX_SCORED_COLUMNS]
            scores = {name: score(name) for name in names}
        self._scored = list(scores)
        return pd.Series(scores, dtype=float).sort_values(ascending=False)

    def score_without(self, name: str | None) -> float:
        """Score all columns but one together, with gradient boosting; all columns for None.

        After `score_alone` has left columns out of a wide table, they are left out here too.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        columns = [self._columns[other][0] for other in self._scored if other != name]
        if not columns:
            return float("nan")
        kind = HistGradientBoostingRegressor if self._is_regression else HistGradientBoostingClassifier
        model = kind(max_iter=_BOOSTING_ROUNDS, l2_regularization=1.0, early_stopping=False, random_state=self._seed)
        with threadpool_limits(1):
            return self._cross_validate(model, np.column_stack(columns))

    def _explained_variance(self, name: str) -> float:
        """Return the adjusted share of the target's variance explained by bins of a column.

        For classes, the share of the class that is explained best.
        """
        values, is_categorical = self._columns[name]
        bins = values[:, 0].astype(int) + 1 if is_categorical else _quantile_bins(values[:, 0])
        rows_per_bin = np.bincount(bins)
        degrees_of_freedom = len(self._y) - np.count_nonzero(rows_per_bin)
        if degrees_of_freedom <= 0:
            return 1.0  # as many bins as rows explain anything: leave the decision to cross-validation
        targets = [self._y] if self._is_regression else [(self._y == label).astype(float) for label in self._classes]
        shares = []
        for y in targets:
            means = np.bincount(bins, y) / np.maximum(rows_per_bin, 1)
            within = float(((y - means[bins]) ** 2).sum())
            total = float(((y - y.mean()) ** 2).sum())
            shares.append(1 - within / degrees_of_freedom * (len(y) - 1) / total if total else 0.0)
        return float(max(shares))

    def _cross_validate(self, model: Any, values: np.ndarray) -> float:
        from sklearn.model_selection import cross_val_score

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rare classes make scikit-learn warn
            return float(np.mean(cross_val_score(model, values, self._y, cv=self._folds, scoring=self._scoring)))


def find_addends(
    frame: pd.DataFrame, target: pd.Series, profile: Mapping[str, ColumnProfile], seed: int = 0
) -> list[str]:
    """Return the numeric columns whose weighted sum is the target, or an empty list.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
        Columns without the target.
    target : Series of shape (rows,)
    profile : mapping of str to ColumnProfile
    seed : int
        Seed of the sample of at most 20,000 rows.
    """
    names = [name for name in frame.columns if profile[name].kind in NUMBERS and profile[name].distinct > 1]
    rows = target.sample(min(len(target), MAX_ROWS), random_state=seed).index
    X = frame.loc[rows, names].astype(float)
    y = target.loc[rows].astype(float).to_numpy()
    is_finite = np.isfinite(X.to_numpy()).all(axis=1) & np.isfinite(y)
    X, y = X[is_finite], y[is_finite]
    if not names or len(X) < _MIN_ROWS_PER_COLUMN * len(names) or np.ptp(y) == 0:
        return []
    deviations = X.std(ddof=0).replace(0, 1.0).to_numpy()
    standardized = (X.to_numpy() - X.mean().to_numpy()) / deviations
    with_intercept = np.column_stack([standardized, np.ones(len(X))])
    weights, *_ = np.linalg.lstsq(with_intercept, y, rcond=None)
    if 1 - (with_intercept @ weights - y).var() / y.var() < _EXACT_R2:
        return []
    contributions = np.abs(weights[:-1]) / y.std()
    return [name for name, contribution in zip(names, contributions, strict=True) if contribution > 1e-6]


def _encode(values: pd.Series, column: ColumnProfile) -> tuple[np.ndarray, bool] | None:
    """Convert a column to floats of shape (rows, 1) for a tree.

    Returns
    -------
    (ndarray, bool) or None
        The floats and whether they are category codes; None for a constant, or text that hardly repeats.
    """
    if column.distinct < 2:
        return None
    if column.kind in NUMBERS or column.kind == BOOLEAN:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        numbers = np.where(np.isfinite(numbers), np.clip(numbers, -1e30, 1e30), np.nan)  # trees use 32-bit floats
        return numbers[:, None], False
    if column.kind == DATE:
        dates = to_datetimes(values)
        if dates is not None and dates.notna().any():
            seconds = dates.to_numpy().astype("datetime64[s]")  # nanoseconds would end in 2262
            days = np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / 86400)
            return days[:, None], False
    if column.distinct > column.rows / 2:
        return None
    codes = pd.factorize(values.astype(object).map(str, na_action="ignore"))[0]
    return codes.astype(float)[:, None], True


def _quantile_bins(numbers: np.ndarray) -> np.ndarray:
    """Return the index of the quantile bin that each value falls into, from 1; 0 for missing values."""
    is_present = np.isfinite(numbers)
    edges = present = numbers[is_present]
    if len(present):
        edges = np.unique(np.quantile(present, _SCREENING_QUANTILES, method="inverted_cdf"))
    return np.where(is_present, np.searchsorted(edges, numbers) + 1, 0)
