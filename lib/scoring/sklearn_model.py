"""A model that predicts with scikit-learn and pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl
from sklearn.pipeline import Pipeline

from lib.scoring.columns import Column
from lib.scoring.fast_model.form import Answers


class SklearnModel:
    """Predicts from checked values by column with the scikit-learn estimator itself.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
        The fitted model, which takes the raw columns as a DataFrame.
    columns : tuple of Column
        The model's inputs.
    """

    def __init__(self, estimator: Any, columns: tuple[Column, ...]):
        self._columns = columns
        self.classes = np.asarray(estimator.classes_) if hasattr(estimator, "predict_proba") else None
        self._transform: Any = lambda rows: rows
        self._last_step = estimator
        self.encoder: Any = None
        if isinstance(estimator, Pipeline) and len(estimator) > 1:
            # The steps before the last take most of the time: run them once for labels and probabilities.
            self._transform, self._last_step = estimator[:-1].transform, estimator[-1]
            self.encoder = estimator[0]

    def __call__(self, table: Mapping[str, list]) -> Answers:
        """Return labels and, for a classifier, probabilities."""
        features = self.make_features(table)
        labels = np.asarray(self._last_step.predict(features))
        return labels, None if self.classes is None else np.asarray(self._last_step.predict_proba(features))

    def make_features(self, table: Mapping[str, list]) -> Any:
        """Return what the last step takes: features, or the columns of a model that is not a pipeline."""
        return self._transform(make_frame(table, self._columns))


def make_frame(table: Mapping[str, list], columns: tuple[Column, ...]) -> pd.DataFrame:
    """Convert checked values by column to the model's input DataFrame."""
    return pd.DataFrame({column.name: column.to_pandas(table[column.name]) for column in columns}, copy=False)


def use_one_thread(estimator: Any) -> None:
    """Limit an estimator to one thread, since waking several takes longer than scoring a row."""
    threadpoolctl.threadpool_limits(limits=1)
    use_one_job(estimator)


def use_one_job(estimator: Any) -> None:
    """Set ``n_jobs`` to 1 in every step of an estimator, so that none starts threads or processes of its own."""
    names = [name for name in estimator.get_params() if name == "n_jobs" or name.endswith("__n_jobs")]
    estimator.set_params(**dict.fromkeys(names, 1))
