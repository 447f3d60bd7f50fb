"""Weights of the training rows by class, for every training function."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from lib import metrics, training
from lib.errors import ParameterError
from lib.parameters.thresholds import class_weight_faults
from lib.training import TrainingRequest, fit_pipeline


def make_table(rows=600):
    """Return a table in which one row of ten is positive, depending weakly on the size."""
    random = np.random.default_rng(0)
    size = random.normal(size=rows)
    is_positive = random.random(rows) < 1 / (1 + np.exp(2.6 - 1.5 * size))
    return pd.DataFrame({"size": size}), pd.Series(np.where(is_positive, "yes", "no"))


def make_request(class_weight=None):
    return TrainingRequest("binary", metrics.get("roc_auc", "binary"), 0, 1, class_weight=class_weight)


@pytest.mark.parametrize("name", training.available(is_bundled=True))
def test_weights_raise_the_probability_of_the_class(name):
    X, y = make_table()
    mean = {
        str(weight): training.get(name)(X, y, make_request(weight)).predict_proba(X)[:, 1].mean()
        for weight in (None, "balanced", {"yes": 9}, {"yes": 1, "no": 1})
    }
    assert mean["None"] == pytest.approx((y == "yes").mean(), abs=0.05)
    assert min(mean["balanced"], mean["{'yes': 9}"]) > mean["None"] + 0.1
    assert mean["{'yes': 1, 'no': 1}"] == pytest.approx(mean["None"], abs=0.02)


def test_balanced_classes_have_equal_total_weights():
    _, y = make_table()
    weights = make_request("balanced").sample_weights(y.to_numpy())
    assert weights[y == "yes"].sum() == pytest.approx(weights[y == "no"].sum())
    assert make_request().sample_weights(y.to_numpy()) is None


def test_model_without_weights_is_refused():
    with pytest.raises(ParameterError, match="class_weight: KNeighborsClassifier cannot be trained with weights"):
        fit_pipeline(KNeighborsClassifier(), *make_table(), make_request("balanced"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "regression", "class_weight": "balanced"}, "a regression has no classes"),
        ({"automl": True, "class_weight": "balanced"}, "AutoML trains without weights"),
        ({"engine": "dask", "class_weight": "balanced"}, "needs the table in memory"),
        ({"class_weight": {"yes": 0}}, "the weight of yes is 0; expected a number above 0"),
        ({"class_weight": {"yes": "5"}}, "the weight of yes is '5'"),
    ],
    ids=str,
)
def test_each_fault_is_one_sentence(values, message):
    (fault,) = class_weight_faults(values)
    assert message in fault
