"""XGBoost: gradient boosting that uses a GPU where there is one, and is served without."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder

from lib import gpu
from lib.training import TrainingRequest, _external_memory
from lib.training.features import TableEncoder, target_array


def train(
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    *,
    n_estimators: int = 300,
    learning_rate: float = 0.06,
    max_depth: int = 6,
    min_child_weight: float = 1.0,
    subsample: float = 0.8,
    colsample_bytree: float = 0.7,
    reg_lambda: float = 1.0,
) -> Pipeline:
    """Fit XGBoost.

    Parameters
    ----------
    X : pandas.DataFrame
        Raw columns, without the target.
    y : pandas.Series
        Target, none missing.
    request : TrainingRequest
        Task, seed and threads.
    n_estimators : int
        Rounds of boosting.
    learning_rate : float
        Share of each tree's step that is taken.
    max_depth, min_child_weight : int, float
        Depth of a tree, and weight (rows, for a regression) in its leaves.
    subsample, colsample_bytree : float
        Share of rows and of features that each tree sees.
    reg_lambda : float
        Strength of the L2 penalty on the leaves.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns, and predicts on the CPU wherever it was trained.
    """
    hyperparameters = dict(
        n_estimators=n_estimators,
        learning_rate=learning_rate,
        max_depth=max_depth,
        min_child_weight=min_child_weight,
        subsample=subsample,
        colsample_bytree=colsample_bytree,
        reg_lambda=reg_lambda,
    )
    encoder = TableEncoder("trees", request.is_classification, request.seed, month_first=request.month_first)
    with gpu.reserve() if best_device() == "cuda" else contextlib.nullcontext("cpu") as device:
        model = _estimator(request, device, **hyperparameters)
        pipeline = Pipeline([("encoder", encoder), ("model", model)])
        pipeline.fit(X, target_array(y, request.is_classification))
    _serve_from_cpu(model.estimator_ if request.is_classification else model)
    return pipeline


def train_on_parts(
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    client: Any,
    parts: Sequence[str],
    **hyperparameters: Any,
) -> Pipeline:
    """Fit XGBoost on parts that workers of a Dask cluster read and encode, all of them together.

    Parameters
    ----------
    X, y : pandas.DataFrame, pandas.Series
        A sample of the rows, from which the encoder learns what each column holds.
    request : TrainingRequest
    client : distributed.Client
    parts : sequence of str
        Parquet files with the columns of X and y; all workers can read them.
    **hyperparameters
        Of `train`.

    Returns
    -------
    sklearn.pipeline.Pipeline
        As `train` returns.

    Raises
    ------
    StageError
        Where workers die again and again.
    """
    encoder = TableEncoder("trees", request.is_classification, request.seed, month_first=request.month_first)
    encoder.fit(X, target_array(y, request.is_classification))
    labels = None
    if request.is_classification:
        seen = client.gather(client.map(_labels, parts, name=y.name, pure=False))
        labels = LabelEncoder().fit(np.unique(np.concatenate(seen)))
    model = _estimator(request, best_device(), **{**_defaults(), **hyperparameters})
    estimator = model.estimator if request.is_classification else model
    given = estimator.get_xgb_params() | {"n_jobs": None, "objective": _objective(request)}
    if request.task == "multiclass":
        given["num_class"] = len(labels.classes_)
    plain = {name: value for name, value in given.items() if value is not None}
    rounds = estimator.get_num_boosting_rounds()
    encoded = functools.partial(_encoded, target=y.name, encoder=encoder, labels=labels)
    estimator.load_model(
        bytearray(_external_memory.boosted(client, parts, _external_memory.Fit(encoded, plain, rounds)))
    )
    if request.is_classification:
        model.estimator_, model.classes_ = estimator, labels.classes_
    _serve_from_cpu(estimator)
    return Pipeline([("encoder", encoder), ("model", model)])


def _estimator(request: TrainingRequest, device: str, **hyperparameters: Any) -> Any:
    fixed = {"tree_method": "hist", "device": device, "n_jobs": request.threads, "random_state": request.seed}
    if request.is_classification:
        return AnyLabelClassifier(xgboost.XGBClassifier(**hyperparameters, **fixed))
    return xgboost.XGBRegressor(**hyperparameters, **fixed)


def _defaults() -> dict[str, Any]:
    return {
        one.name: one.default for one in inspect.signature(train).parameters.values() if one.kind is one.KEYWORD_ONLY
    }


def _objective(request: TrainingRequest) -> str:
    return {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}[request.task]


def _labels(path: str, name: str) -> np.ndarray:
    return target_array(pd.Series(pd.read_parquet(path, columns=[name])[name].unique()), is_classification=True)


def _encoded(
    path: str, target: str, encoder: TableEncoder, labels: LabelEncoder | None
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of a part, in the precision that XGBoost computes in."""
    rows = pd.read_parquet(path)
    y = target_array(rows.pop(target), labels is not None)
    features = encoder.transform(rows).astype(np.float32, order="C")
    return features, (labels.transform(y) if labels is not None else y).astype(np.float32)


class AnyLabelClassifier(ClassifierMixin, BaseEstimator):
    """XGBoost's classifier for labels of any type; its own takes 0, 1, 2, ... only.

    Parameters
    ----------
    estimator : xgboost.XGBClassifier
        Cloned and fitted on the numbers of the labels.
    """

    def __init__(self, estimator: xgboost.XGBClassifier):
        self.estimator = estimator

    def fit(self, X: np.ndarray, y: np.ndarray) -> AnyLabelClassifier:
        """Fit on labels of any type."""
        labels = LabelEncoder().fit(y)
        self.classes_ = labels.classes_
        self.estimator_ = clone(self.estimator).fit(X, labels.transform(y))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels, of the type they had in training."""
        return self.classes_[self.estimator_.predict(X)]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, one column for each of ``classes_``, in double precision so that they sum to one."""
        probabilities = self.estimator_.predict_proba(X).astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)


@functools.cache
def best_device() -> str:
    """``"cuda"`` where XGBoost really trains on a GPU, else ``"cpu"``.

    A build for CUDA falls back to the CPU with a warning where no GPU can be used, so that only one
    round of training tells.
    """
    if not xgboost.build_info().get("USE_CUDA"):
        return "cpu"
    table = xgboost.DMatrix(np.array([[0.0], [1.0]]), label=[0, 1])
    try:
        booster = xgboost.train({"device": "cuda", "verbosity": 0}, table, num_boost_round=1)
    except xgboost.core.XGBoostError:
        return "cpu"
    used = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    return "cuda" if used.startswith("cuda") else "cpu"


def _serve_from_cpu(model: xgboost.XGBModel) -> None:
    model.set_params(device="cpu", n_jobs=1)
    model.get_booster().set_param({"device": "cpu", "nthread": 1})
