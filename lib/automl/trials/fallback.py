"""The no-skill model that a search returns if there was no time for any other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor

from lib import metrics
from lib.automl import EngineResult, SearchRequest, Trial
from lib.automl.trials.encoding import EncodedTarget


def make_no_skill_result(
    X: pd.DataFrame,
    target: EncodedTarget,
    X_test: pd.DataFrame,
    request: SearchRequest,
    trials: Sequence[Trial],
    seconds: float,
    reason: str,
) -> EngineResult:
    """Return a model that always predicts the class shares or the mean of the target, with a warning.

    Parameters
    ----------
    X : pandas.DataFrame
        Training rows.
    target : EncodedTarget
        Target of the training rows.
    X_test : pandas.DataFrame
        Test rows.
    request : SearchRequest
    trials : sequence of Trial
        The unsuccessful trials.
    seconds : float
        Time since the start of the search.
    reason : str
        Why there is no other model; the warning starts with it.
    """
    model = DummyClassifier(strategy="prior") if request.is_classification else DummyRegressor()
    model.fit(X, target.values)
    trial = Trial("prior", "prior", done_seconds=seconds, weight=1.0)
    trial.validation = np.arange(len(X)), metrics.predict(model, X, request.task, request.positive_class)
    trial.test = metrics.predict(model, X_test, request.task, request.positive_class)
    prediction = "class shares" if request.is_classification else "mean"
    warning = f"{reason}: the returned model always predicts the target's {prediction}. Raise automl_budget_minutes."
    return EngineResult([*trials, trial], model, "prior", warning)
