"""What answers where a search had no time for more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor

from lib import metrics
from lib.automl import Result, SearchRequest, Trial


def prior(
    X: pd.DataFrame,
    y: np.ndarray,
    X_test: pd.DataFrame,
    request: SearchRequest,
    trials: Sequence[Trial],
    seconds: float,
    why: str,
) -> Result:
    """The shares of the classes, or the mean, with a warning.

    Parameters
    ----------
    X, y, X_test
        Rows of the search.
    request : SearchRequest
    trials : sequence of Trial
        What was tried in vain.
    seconds : float
        Since the search began.
    why : str
        Beginning of the warning.
    """
    model = DummyClassifier(strategy="prior") if request.is_classification else DummyRegressor()
    model.fit(X, y)
    trial = Trial("prior", "prior", done_seconds=seconds, weight=1.0)
    trial.validation = np.arange(len(y)), metrics.predict(model, X, request.task, request.positive_class)
    trial.test = metrics.predict(model, X_test, request.task, request.positive_class)
    warning = f"{why}: what is returned knows no more than the target's mean. Raise automl_budget_minutes."
    return Result([*trials, trial], model, "prior", warning)
