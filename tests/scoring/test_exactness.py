"""The check of a deployment: answers equal the model's offline predictions to the last bit."""

import inspect
import json
import shutil
import types

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from lib import training
from lib.errors import EndpointError
from lib.metrics import predict
from lib.scoring.model import load_model
from lib.scoring.scorer import Scorer
from lib.scoring.sklearn_model import SklearnModel
from lib.serving.deploying.endpoint import LocalEndpoint
from lib.stages import deploy
from lib.training import TrainingRequest
from tests.scoring.test_fast_model import COLUMNS, ROWS, TABLE, model_of
from tests.served_models import ROW, Client

# The models are saved once for all files of this folder, so these stay on one worker.

QUICK = {"n_estimators": 10, "max_iter": 15, "max_iter_small": 15}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("name", training.available(is_bundled=True))
def test_both_forms_of_each_model_answer_as_offline(name, task):
    train, random = training.get(name), np.random.default_rng(0)
    numbers = TABLE["size"].fillna(0) * 3 + random.normal(size=ROWS)
    target = {"binary": numbers > 0, "multiclass": pd.cut(numbers, 4, labels=list("abcd")), "regression": numbers}[task]
    known = inspect.signature(train).parameters
    request = TrainingRequest(task, None, seed=0, threads=2)
    model = train(TABLE, pd.Series(target), request, **{key: QUICK[key] for key in QUICK if key in known})
    rows = TABLE.head(40)
    expected = deploy._predict_offline(model, rows, types.SimpleNamespace(task=task, positive_class=None))
    scorer = Scorer(model_of(model))
    body = json.dumps(deploy.build_request(rows)).encode()
    deploy.check_answer(scorer.score(body), expected)
    scorer.predict = SklearnModel(model, COLUMNS)
    deploy.check_answer(scorer.score(body), expected)


class Nudged(BaseEstimator):
    """A model whose predictions differ in the last bit from those of another model."""

    def __init__(self, model):
        self.model = model

    def predict(self, rows):
        """Return the next larger floating-point numbers."""
        return np.nextafter(self.model.predict(rows), np.inf)


def test_version_that_differs_in_the_last_bit_is_taken_down(models, tmp_path):
    rows = pd.DataFrame([ROW, {**ROW, "age": 70}]).assign(when=pd.Timestamp(ROW["when"]))
    expected = predict(load_model(models / "regressor").estimator, rows, "regression")
    shutil.copytree(models / "regressor", tmp_path / "nudged")
    nudged = Nudged(load_model(models / "regressor").estimator)
    cloudpickle.register_pickle_by_value(inspect.getmodule(Nudged))
    try:
        (tmp_path / "nudged" / "model.pkl").write_bytes(cloudpickle.dumps(nudged))
    finally:
        cloudpickle.unregister_pickle_by_value(inspect.getmodule(Nudged))

    def check(url, key):
        deploy.check_answer(deploy.query_endpoint(url, key, rows, 60), expected)

    endpoint = LocalEndpoint(tmp_path / "endpoint", "ages")
    try:
        before = endpoint.deploy(models / "regressor", "1", check=check)
        with pytest.raises(EndpointError, match="in 2 of 2 rows"):
            endpoint.deploy(tmp_path / "nudged", "2", check=check)
        after = endpoint.status()
        assert (after.version, after.other_version, after.workers) == ("1", "", before.workers)
        assert Client(after.url, endpoint.keys()["primary"]).ask()[1]["model"]["version"] == "1"
    finally:
        endpoint.stop()
