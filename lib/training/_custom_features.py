"""The customer's features around a training function or a search: they compute columns from raw ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from lib.scoring.feature_step import FeatureStep, normalize_column

if TYPE_CHECKING:
    from lib.schema.table_schema import TableSchema

_STEP = "features"
_FOLDS = 5


def add_step(model: Any, step: FeatureStep) -> Pipeline:
    """Return a model of computed features as a pipeline that takes the raw columns."""
    steps = model.steps if isinstance(model, Pipeline) else [("model", model)]
    return Pipeline([(_STEP, step), *steps])


def transform_training_rows(step: FeatureStep, X: pd.DataFrame, y: pd.Series, seed: int) -> pd.DataFrame:
    """Return the features of the rows that a fitted step has learnt from, for a search that compares models on folds.

    If the transformer learns from the target, each fold's features are learnt on the other folds. Otherwise a row's
    features would contain its own target, and the search would compare models on rows that they have seen. See
    scikit-learn's `TargetEncoder.fit_transform`, which does the same.
    """
    if not step.needs_target:
        return step.transform(X)
    folds = np.random.default_rng(seed).permutation(len(X)) % _FOLDS
    parts = []
    for fold in range(_FOLDS):
        others = FeatureStep(step.name, step.feature).fit(X[folds != fold], y[folds != fold])
        parts.append(others.transform(X[folds == fold]))
    return pd.concat(parts).loc[X.index]


def select_schema(schema: TableSchema | None, X: pd.DataFrame, rows: pd.DataFrame) -> TableSchema | None:
    """Return the part of a schema that still holds for computed features: of columns that are unchanged."""
    if schema is None:
        return None
    unchanged = {
        name: column
        for name, column in schema.columns.items()
        if name in rows.columns and name in X.columns and rows[name].equals(normalize_column(X[name]))
    }
    return dataclasses.replace(schema, columns=unchanged)
