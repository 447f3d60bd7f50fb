"""What a model needs besides its estimator to give reasons, which is stored with it in the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from lib import metrics
from lib.scoring.reasons.explainers import unwrap
from lib.scoring.reasons.finder import to_dense

if TYPE_CHECKING:
    import pandas as pd

    from lib.parameters import Parameters

_SAMPLE_ROWS = 10_000


def describe_for_reasons(model: Any, X: pd.DataFrame, parameters: Parameters) -> dict[str, Any]:
    """Return the position of the positive class, and the means of a linear model's features.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : DataFrame of shape (rows, columns)
        The training rows; the means are those of at most 10,000 of them.
    parameters : Parameters
        ``task``, ``positive_class`` and ``seed``.
    """
    data: dict[str, Any] = {}
    if parameters.task == "binary":
        classes = np.asarray(model.classes_).tolist()
        data["positive_column"] = classes.index(metrics.find_positive_class(classes, parameters.positive_class))
    is_table_model = isinstance(model, Pipeline) and hasattr(model[0], "feature_columns")
    if is_table_model and hasattr(unwrap(model[-1]), "coef_"):
        sample = X.sample(min(len(X), _SAMPLE_ROWS), random_state=parameters.seed)
        data["feature_means"] = to_dense(model[:-1].transform(sample)).mean(axis=0).tolist()
    return data
