"""XGBoost: gradient boosting that trains on a GPU if there is one, and predicts on the CPU."""

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
from lib.training import TrainingRequest, _distributed_xgboost, fit_pipeline, make_encoder
from lib.training.features import TableEncoder, target_array

_OBJECTIVES = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}


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
    X : pandas.DataFrame of shape (rows, columns)
        Raw columns, without the target.
    y : pandas.Series of shape (rows,)
        Target, without missing values.
    request : TrainingRequest
        Task, seed and threads.
    n_estimators : int
        Number of boosting rounds.
    learning_rate : float
        Factor applied to each tree's contribution.
    max_depth : int
        Maximum depth of a tree.
    min_child_weight : float
        Minimum weight of a leaf; for a regression, its number of rows.
    subsample : float
        Share of the rows sampled for each tree.
    colsample_bytree : float
        Share of the features sampled for each tree.
    reg_lambda : float
        Strength of the L2 penalty on the leaves.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns, and predicts on the CPU.
    """
    with gpu.reserve() if detect_device() == "cuda" else contextlib.nullcontext("cpu") as device:
        model = _make_model(
            request,
            device,
            n_estimators=n_estimators,
            learning_rate=learning_rate,
            max_depth=max_depth,
            min_child_weight=min_child_weight,
            subsample=subsample,
            colsample_bytree=colsample_bytree,
            reg_lambda=reg_lambda,
        )
        pipeline = fit_pipeline(model, X, y, request)
    _configure_cpu_prediction(model.estimator_ if request.is_classification else model)
    return pipeline


def train_on_parts(
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    client: Any,
    parts: Sequence[str],
    **hyperparameters: Any,
) -> Pipeline:
    """Fit XGBoost on a table in several files, which the workers of a Dask cluster read and encode.

    Parameters
    ----------
    X : pandas.DataFrame of shape (rows, columns)
        Raw columns of a sample of the rows, on which the encoder is fitted.
    y : pandas.Series of shape (rows,)
        Target of the sample.
    request : TrainingRequest
        Task, seed and threads.
    client : distributed.Client
    parts : sequence of str
        Parquet files with the columns of `X` and `y`, readable by all workers.
    **hyperparameters
        Hyperparameters of `train`.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns, and predicts on the CPU.

    Raises
    ------
    StageError
        If workers keep dying.
    """
    encoder = make_encoder(request)
    encoder.fit(X, target_array(y, request.is_classification))
    model = _make_model(request, detect_device(), **{**_default_hyperparameters(), **hyperparameters})
    estimator = model.estimator if request.is_classification else model
    settings = estimator.get_xgb_params() | {"n_jobs": None, "objective": _OBJECTIVES[request.task]}
    label_encoder = _fit_label_encoder(client, parts, str(y.name)) if request.is_classification else None
    if label_encoder is not None and request.task == "multiclass":
        settings["num_class"] = len(label_encoder.classes_)
    training = _distributed_xgboost.Training(
        functools.partial(_encode_part, target=y.name, encoder=encoder, label_encoder=label_encoder),
        {name: value for name, value in settings.items() if value is not None},
        estimator.get_num_boosting_rounds(),
    )
    estimator.load_model(bytearray(_distributed_xgboost.train_booster(client, parts, training)))
    if label_encoder is not None:
        model.estimator_, model.classes_ = estimator, label_encoder.classes_
    _configure_cpu_prediction(estimator)
    return Pipeline([("encoder", encoder), ("model", model)])


def _make_model(request: TrainingRequest, device: str, **hyperparameters: Any) -> Any:
    """Return an unfitted model that trains on a device."""
    settings = {
        "tree_method": "hist",
        "device": device,
        "n_jobs": request.threads,
        "random_state": request.seed,
        **hyperparameters,
    }
    if request.is_classification:
        return AnyLabelClassifier(xgboost.XGBClassifier(**settings))
    return xgboost.XGBRegressor(**settings)


def _default_hyperparameters() -> dict[str, Any]:
    """Return the hyperparameters of `train` with their defaults."""
    parameters = inspect.signature(train).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def _fit_label_encoder(client: Any, parts: Sequence[str], target: str) -> LabelEncoder:
    """Return an encoder of the labels in all parts."""
    labels = client.gather(client.map(_read_labels, parts, target=target, pure=False))
    return LabelEncoder().fit(np.unique(np.concatenate(labels)))


def _read_labels(path: str, target: str) -> np.ndarray:
    """Return the distinct labels in a file."""
    labels = pd.read_parquet(path, columns=[target])[target].unique()
    return target_array(pd.Series(labels), is_classification=True)


def _encode_part(
    path: str, target: str, encoder: TableEncoder, label_encoder: LabelEncoder | None
) -> tuple[np.ndarray, np.ndarray]:
    """Read a Parquet file, and return its features and its target as float32, the precision of XGBoost."""
    rows = pd.read_parquet(path)
    y = target_array(rows.pop(target), label_encoder is not None)
    features = encoder.transform(rows).astype(np.float32, order="C")
    return features, (y if label_encoder is None else label_encoder.transform(y)).astype(np.float32)


class AnyLabelClassifier(ClassifierMixin, BaseEstimator):
    """XGBoost classifier for labels of any type; `xgboost.XGBClassifier` accepts only 0, 1, 2, ...

    Parameters
    ----------
    estimator : xgboost.XGBClassifier
        Cloned, and fitted on the indices of the labels.

    Examples
    --------
    >>> model = AnyLabelClassifier(xgboost.XGBClassifier(n_estimators=5, min_child_weight=0))
    >>> model.fit(np.array([[0.0], [1.0]]), np.array(["no", "yes"])).predict(np.array([[1.0]])).tolist()
    ['yes']
    """

    def __init__(self, estimator: xgboost.XGBClassifier):
        self.estimator = estimator

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> AnyLabelClassifier:
        """Fit on labels of any type, with a weight for each row."""
        label_encoder = LabelEncoder().fit(y)
        self.classes_ = label_encoder.classes_
        self.estimator_ = clone(self.estimator).fit(X, label_encoder.transform(y), sample_weight=sample_weight)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return labels of the same type as in training."""
        return self.classes_[self.estimator_.predict(X)]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities of shape (rows, classes), in double precision so that they sum to one."""
        probabilities = self.estimator_.predict_proba(X).astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)


@functools.cache
def detect_device() -> str:
    """Return ``"cuda"`` if XGBoost can train on a GPU, else ``"cpu"``.

    Without a usable GPU, an XGBoost that was built with CUDA falls back to the CPU. So train one round, and read the
    device from the booster.
    """
    if not xgboost.build_info().get("USE_CUDA"):
        return "cpu"
    table = xgboost.DMatrix(np.array([[0.0], [1.0]]), label=[0, 1])
    try:
        booster = xgboost.train({"device": "cuda", "verbosity": 0}, table, num_boost_round=1)
    except xgboost.core.XGBoostError:
        return "cpu"
    device = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    return "cuda" if device.startswith("cuda") else "cpu"


def _configure_cpu_prediction(model: xgboost.XGBModel) -> None:
    """Set a fitted model to predict on the CPU with a single thread, as an endpoint needs it."""
    model.set_params(device="cpu", n_jobs=1)
    model.get_booster().set_param({"device": "cpu", "nthread": 1})
