"""Columns that tell the target, which a model would learn and an endpoint would never get."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lib.data.moments import to_datetimes
from lib.data.profile import BOOLEAN, DATE, NUMBER, NUMBERS, TEXT, Column

MOST_ROWS = 20_000
_FOLDS = 3
_ROUNDS = 50
_EXACT = 1 - 1e-9
_FEWEST_ROWS_PER_COLUMN = 5
# Of more columns, those that tell most on one fold are looked at closely.
_MANY_COLUMNS = 200
# Of rows that are only told of; and a column that tells less of the target is no leak, whatever a tree makes of it.
_TOLD_ROWS, _TELLING_SHARE = 3_000, 0.3
_QUANTILES, _MOST_CLASSES = np.linspace(0, 1, 65), 30


def limit(task: str) -> tuple[str, float]:
    """Measure of how well a column alone tells the target, and from where on that is too well to be true."""
    return ("R2", 0.99) if task == "regression" else ("AUC", 0.995)


def describe_leaks(frame: pd.DataFrame, target_column: str, task: str) -> str:
    """A sentence on columns that tell the target by themselves or add up to it; empty where none does.

    Of a few thousand rows, so that it takes no time worth speaking of.
    """
    rows = frame
    if len(frame) > _TOLD_ROWS:  # DataFrame.sample would put all rows in order first
        rows = frame.iloc[np.random.default_rng(0).choice(len(frame), _TOLD_ROWS, replace=False, shuffle=False)]
    X, y = rows.drop(columns=target_column), rows[target_column]
    columns = {name: _roughly(X[name]) for name in X.columns}
    measure, least = limit(task)
    said = []
    parts = sums(X, y, columns) if task == "regression" else []
    if len(parts) > 1:
        said.append(f"{', '.join(parts)} add up to {target_column}.")
        X = X.drop(columns=parts)
    alone = Trial(X, y, task, columns).alone(at_least=_TELLING_SHARE)
    for name, score in alone[alone >= least].items():
        said.append(f"{name} by itself tells {target_column} ({measure} {score:.3f}).")
    hint = "What is not known when the endpoint is asked belongs into drop_columns."
    return " ".join([*said, hint]) if said else ""


def _roughly(values: pd.Series) -> Column:
    """Profile of a column by its type alone: whether texts are dates takes longest to find, and dates are no leaks."""
    kinds = {"b": BOOLEAN, "M": DATE} | dict.fromkeys("iuf", NUMBER)
    kind = kinds.get(getattr(values.dtype, "kind", "O"), TEXT)
    return Column(str(values.name), kind, len(values), int(values.isna().sum()), values.nunique())


class Trial:
    """How well columns tell a target, measured over folds of a sample of the rows.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
        Without the target.
    target : Series of shape (rows,)
        None missing.
    task : str
    profile : mapping of str to Column
    seed : int
        Of the sample of at most 20,000 rows, and of the folds.
    """

    def __init__(self, frame: pd.DataFrame, target: pd.Series, task: str, profile: Mapping[str, Column], seed: int = 0):
        self._is_number, self._seed = task == "regression", seed
        sample = target.sample(min(len(target), MOST_ROWS), random_state=seed)
        if not self._is_number:  # a class with fewer rows than folds would be in some of them only
            counts = sample.value_counts()
            sample = sample[sample.isin(counts.index[counts >= _FOLDS])]
        self._y = sample.to_numpy(dtype=float) if self._is_number else pd.factorize(sample)[0]
        self._classes = np.unique(self._y)[:_MOST_CLASSES]
        classes = len(self._classes)
        self._kind = "continuous" if self._is_number else "multiclass" if classes > 2 else "binary"
        self._scoring = "r2" if self._is_number else "roc_auc_ovr" if classes > 2 else "roc_auc"
        read = {name: _as_floats(frame.loc[sample.index, name], profile[name]) for name in frame.columns}
        self._columns = {name: one for name, one in read.items() if one is not None}
        if classes < 2 or len(self._y) < _FOLDS:
            self._columns = {}
        self._best = list(self._columns)

    @functools.cached_property
    def _folds(self) -> Any:
        from sklearn.model_selection import KFold, StratifiedKFold

        return (KFold if self._is_number else StratifiedKFold)(_FOLDS, shuffle=True, random_state=self._seed)

    def alone(self, at_least: float = -math.inf) -> pd.Series:
        """Score of each column by itself, the best first: AUC of classes (the mean over them), R2 of a number.

        Of very many columns, those of the best.

        Parameters
        ----------
        at_least : float
            Share of the target's variance between few bins of a column, below which it is passed over, since a tree
            takes long.
        """
        names: list[str] = list(self._columns)
        if math.isfinite(at_least):  # before what takes long to import
            names = [name for name in names if self._told_by_bins(name) >= at_least]
        if not names:
            return pd.Series(dtype=float)
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import TargetEncoder
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        tree = (DecisionTreeRegressor if self._is_number else DecisionTreeClassifier)(
            max_leaf_nodes=64, min_samples_leaf=max(2, len(self._y) // 200), random_state=self._seed
        )

        def score(name: str) -> float:
            values, are_levels = self._columns[name]
            encoder = TargetEncoder(target_type=self._kind, cv=self._folds)
            return self._score(make_pipeline(encoder, tree) if are_levels else tree, values, self._folds)

        with threadpool_limits(1):  # on few rows threads wait for one another longer than they work
            if len(names) > _MANY_COLUMNS:
                names = sorted(names, key=lambda name: -self._told_by_bins(name))[:_MANY_COLUMNS]
            found = {name: score(name) for name in names}
        self._best = list(found)
        return pd.Series(found, dtype=float).sort_values(ascending=False)

    def without(self, name: str | None) -> float:
        """Score of all columns but one, or of all; of very many, of those that `alone` found the best."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        columns = [self._columns[one][0] for one in self._best if one != name]
        if not columns:
            return float("nan")
        kind = HistGradientBoostingRegressor if self._is_number else HistGradientBoostingClassifier
        model = kind(max_iter=_ROUNDS, l2_regularization=1.0, early_stopping=False, random_state=self._seed)
        with threadpool_limits(1):
            return self._score(model, np.column_stack(columns), self._folds)

    def _told_by_bins(self, name: str) -> float:
        """Share of the target's variance that lies between bins of a column; of classes that of the best told one."""
        values, are_levels = self._columns[name]
        values = values[:, 0]
        if are_levels:
            bins = values.astype(int) + 1
        else:
            present = values[np.isfinite(values)]
            edges = np.unique(np.quantile(present, _QUANTILES, method="inverted_cdf")) if len(present) else present
            bins = np.where(np.isfinite(values), np.searchsorted(edges, values) + 1, 0)
        rows = np.bincount(bins)
        freedom = len(self._y) - np.count_nonzero(rows)
        if freedom <= 0:
            return 1.0  # as many bins as rows: whether they tell anything, a tree over folds says
        shares = []
        for wanted in [self._y] if self._is_number else [(self._y == one).astype(float) for one in self._classes]:
            means = np.bincount(bins, wanted) / np.maximum(rows, 1)
            within = float(((wanted - means[bins]) ** 2).sum())
            total = float(((wanted - wanted.mean()) ** 2).sum())
            shares.append(1 - within / freedom * (len(wanted) - 1) / total if total else 0.0)
        return max(shares)

    def _score(self, model: Any, values: np.ndarray, folds: Any) -> float:
        from sklearn.model_selection import cross_val_score

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a class with few rows
            return float(np.mean(cross_val_score(model, values, self._y, cv=folds, scoring=self._scoring)))


def sums(frame: pd.DataFrame, target: pd.Series, profile: Mapping[str, Column], seed: int = 0) -> list[str]:
    """Columns that add up to a number to predict, each times a constant; none where they do not."""
    names = [name for name in frame.columns if profile[name].kind in NUMBERS and profile[name].distinct > 1]
    rows = target.sample(min(len(target), MOST_ROWS), random_state=seed).index
    X = frame.loc[rows, names].astype(float)
    y = target.loc[rows].astype(float).to_numpy()
    is_whole = np.isfinite(X.to_numpy()).all(axis=1) & np.isfinite(y)
    X, y = X[is_whole], y[is_whole]
    if not names or len(X) < _FEWEST_ROWS_PER_COLUMN * len(names) or np.ptp(y) == 0:
        return []
    deviations = X.std(ddof=0).replace(0, 1.0).to_numpy()
    scaled = np.column_stack([(X.to_numpy() - X.mean().to_numpy()) / deviations, np.ones(len(X))])
    weights, *_ = np.linalg.lstsq(scaled, y, rcond=None)
    if 1 - (scaled @ weights - y).var() / y.var() < _EXACT:
        return []
    share = np.abs(weights[:-1]) / y.std()
    return [name for name, one in zip(names, share, strict=True) if one > 1e-6]


def _as_floats(values: pd.Series, column: Column) -> tuple[np.ndarray, bool] | None:
    """Values for a tree, and whether they are levels; None where a column has none that come again."""
    if column.distinct < 2:
        return None
    if column.kind in NUMBERS or column.kind == BOOLEAN:
        floats = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isfinite(floats), np.clip(floats, -1e30, 1e30), np.nan)[:, None], False
    if column.kind == DATE:
        moments = to_datetimes(values)
        if moments is not None and moments.notna().any():
            seconds = moments.to_numpy().astype("datetime64[s]")  # finer ones end in 2262
            days = np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / 86400)
            return days[:, None], False
    if column.distinct > column.rows / 2:
        return None
    return pd.factorize(values.astype(object).map(str, na_action="ignore"))[0].astype(float)[:, None], True
