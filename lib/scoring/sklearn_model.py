"""The model as scikit-learn and pandas run it."""

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
    """Predicts from checked values by column.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
        Takes the raw columns as a DataFrame.
    columns : tuple of Column
        The model's inputs.
    """

    def __init__(self, estimator: Any, columns: tuple[Column, ...]):
        self._columns = columns
        self.classes = np.asarray(estimator.classes_) if hasattr(estimator, "predict_proba") else None
        # Run the steps before the last once for both labels and probabilities: they take most of the time.
        steps = estimator if isinstance(estimator, Pipeline) and len(estimator) > 1 else None
        self._transform = steps[:-1].transform if steps is not None else lambda rows: rows
        self._last = steps[-1] if steps is not None else estimator

    def __call__(self, table: Mapping[str, list]) -> Answers:
        """Return labels and, for a classifier, probabilities."""
        features = self._transform(frame(table, self._columns))
        labels = np.asarray(self._last.predict(features))
        return labels, None if self.classes is None else np.asarray(self._last.predict_proba(features))


def frame(table: Mapping[str, list], columns: tuple[Column, ...]) -> pd.DataFrame:
    """Return checked values as the DataFrame that the model takes."""
    return pd.DataFrame({column.name: column.pandas(table[column.name]) for column in columns}, copy=False)


def use_one_thread(estimator: Any) -> None:
    """Make an estimator score in one thread: waking several takes longer than scoring a row."""
    threadpoolctl.threadpool_limits(limits=1)
    use_one_job(estimator)


def use_one_job(estimator: Any) -> None:
    """Prevent every step of an estimator from starting threads or processes of its own."""
    names = [name for name in estimator.get_params() if name == "n_jobs" or name.endswith("__n_jobs")]
    estimator.set_params(**dict.fromkeys(names, 1))
