"""Model families: functions ``(features, y, request) -> estimator`` that fit one model within a time limit.

The features are encoded, and class labels are 0, 1, 2, ... without gaps. Families that stop early use the loss instead
of the primary metric: with a ranking metric, the folds' models would stop at different scales, and their predictions
could not be compared.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.automl.trials.estimators import IntegerCategories, RescaledRegressor, TransformedModel
from lib.automl.trials.forests import bagged_random_forest, extra_trees, random_forest

EARLY_STOPPING_ROUNDS = 40
LARGE_TABLE_VALUES = 150_000
MAX_NEIGHBOURS_ROWS = 60_000
MAX_EPOCHS, EARLY_STOPPING_EPOCHS = 150, 12
MAX_BOOSTING_ROUNDS = 400  # of scikit-learn's histogram gradient boosting
_ROUNDS_PER_STEP, _EARLY_STOPPING_STEPS = 20, 3


@dataclass(frozen=True)
class FitRequest:
    """The task and the limits of one fit.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
    settings : dict
        Hyperparameters.
    rows : int
        Number of rows to fit on.
    validation_features : ndarray of shape (validation rows, features)
        Features of the rows that decide when to stop early.
    validation_y : ndarray of shape (validation rows,)
        Target of these rows.
    kinds : sequence of str
        Kind of each feature: ``"category"``, ``"number"``, ``"text"`` or ``"date"``.
    seed : int
    deadline : float
        On the clock of `time.monotonic`; no tree or epoch starts after it.
    """

    task: str
    settings: dict[str, Any]
    rows: int
    validation_features: np.ndarray
    validation_y: np.ndarray
    kinds: Sequence[str]
    seed: int
    deadline: float = field(default=float("inf"))

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.task != "regression"

    @property
    def is_overdue(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline

    @property
    def learning_rate(self) -> float:
        """Default learning rate; higher on large tables, where a short search has time for few trees."""
        return 0.05 if self.rows * len(self.kinds) < LARGE_TABLE_VALUES else 0.1

    @property
    def categories(self) -> list[int]:
        """Positions of the categories among the features."""
        return [position for position, kind in enumerate(self.kinds) if kind == "category"]


def lightgbm(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit LightGBM with native categories."""
    import lightgbm as lgb

    def stop_when_overdue(env: Any) -> None:
        if request.is_overdue:
            raise lgb.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    estimator = lgb.LGBMClassifier if request.is_classification else lgb.LGBMRegressor
    defaults = {
        "n_estimators": 5000,
        "learning_rate": request.learning_rate,
        "max_cat_to_onehot": 16,  # many-vs-many splits of a dozen categories overfit small tables
        "colsample_bytree": 0.7,
    }
    model = estimator(
        random_state=request.seed, n_jobs=1, verbosity=-1, subsample_freq=1, **{**defaults, **request.settings}
    )
    losses = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}
    model.fit(
        features,
        y,
        eval_X=request.validation_features,
        eval_y=request.validation_y,
        eval_metric=losses[_task_of_rows(y, request)],
        categorical_feature=request.categories or "auto",
        callbacks=[lgb.early_stopping(EARLY_STOPPING_ROUNDS, verbose=False), stop_when_overdue],
    )
    return model


def xgboost(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit XGBoost."""
    import xgboost as xgb

    class StopWhenOverdue(xgb.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return request.is_overdue

    losses = {"binary": "logloss", "multiclass": "mlogloss", "regression": "rmse"}
    defaults = {"n_estimators": 5000, "learning_rate": request.learning_rate, "max_depth": 6}
    estimator = xgb.XGBClassifier if request.is_classification else xgb.XGBRegressor
    model = estimator(
        random_state=request.seed,
        n_jobs=1,
        early_stopping_rounds=EARLY_STOPPING_ROUNDS,
        eval_metric=losses[_task_of_rows(y, request)],
        callbacks=[StopWhenOverdue()],
        **{**defaults, **request.settings},
    )
    model.fit(features, y, eval_set=[(request.validation_features, request.validation_y)], verbose=False)
    model.set_params(callbacks=None)  # a local class cannot be pickled
    return model


def catboost(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit CatBoost with native categories."""
    import catboost as cb

    class StopWhenOverdue:
        def after_iteration(self, info: Any) -> bool:
            return not request.is_overdue

    losses = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}
    defaults = {
        "iterations": 5000,
        "learning_rate": request.learning_rate,
        "max_ctr_complexity": 1,  # combinations of categories take far longer and add little
        "one_hot_max_size": 16,
    }
    estimator = cb.CatBoostClassifier if request.is_classification else cb.CatBoostRegressor
    model = estimator(
        random_seed=request.seed,
        thread_count=1,
        allow_writing_files=False,
        verbose=False,
        loss_function=losses[_task_of_rows(y, request)],
        **{**defaults, **request.settings},
    )
    transformer = IntegerCategories(request.categories)
    model.fit(
        transformer.transform(features),
        y,
        cat_features=request.categories,
        eval_set=(transformer.transform(request.validation_features), request.validation_y),
        early_stopping_rounds=EARLY_STOPPING_ROUNDS,
        use_best_model=True,
        callbacks=[StopWhenOverdue()],
    )
    return TransformedModel(transformer, model)


def gradient_boosting(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit scikit-learn's histogram gradient boosting, some rounds at a time."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    estimator = HistGradientBoostingClassifier if request.is_classification else HistGradientBoostingRegressor
    defaults = {"learning_rate": 0.08, "max_features": 0.5, "l2_regularization": 1.0}
    model = estimator(
        random_state=request.seed, early_stopping=False, warm_start=True, **{**defaults, **request.settings}
    )
    best_loss, best_rounds = np.inf, 0
    for rounds in range(_ROUNDS_PER_STEP, MAX_BOOSTING_ROUNDS + _ROUNDS_PER_STEP, _ROUNDS_PER_STEP):
        model.set_params(max_iter=rounds).fit(features, y)
        loss = _validation_loss(model, request, request.validation_features, request.validation_y)
        best_loss, best_rounds = min((best_loss, best_rounds), (loss, rounds))
        if request.is_overdue or rounds - best_rounds >= _EARLY_STOPPING_STEPS * _ROUNDS_PER_STEP:
            break
    model.set_params(warm_start=False, max_iter=best_rounds)
    model._predictors = model._predictors[:best_rounds]
    return model


def linear(features: np.ndarray, y: np.ndarray, request: FitRequest) -> TransformedModel:
    """Fit logistic or ridge regression on scaled and one-hot features."""
    from sklearn.linear_model import LogisticRegression, RidgeCV

    transformer = _make_scaler(features, request)
    if request.is_classification:
        model = LogisticRegression(C=request.settings.get("C", 1.0), max_iter=500)
    else:
        model = RidgeCV(np.logspace(-2, 3, 12))
    transformed = transformer.fit_transform(features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the score decides, even if the model has not converged
        model.fit(transformed, y)
    return TransformedModel(transformer, model)


def neighbours(features: np.ndarray, y: np.ndarray, request: FitRequest) -> TransformedModel:
    """Fit nearest neighbours, weighted by distance."""
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if len(features) > MAX_NEIGHBOURS_ROWS:
        raise ValueError(f"nearest neighbours are too slow with more than {MAX_NEIGHBOURS_ROWS:,} rows")
    transformer = _make_scaler(features, request)
    estimator = KNeighborsClassifier if request.is_classification else KNeighborsRegressor
    model = estimator(weights="distance", **{"n_neighbors": 7, **request.settings})
    return TransformedModel(transformer, model.fit(transformer.fit_transform(features), y))


def neural_network(features: np.ndarray, y: np.ndarray, request: FitRequest) -> TransformedModel:
    """Fit a multilayer perceptron, and keep the weights of the epoch with the lowest validation loss."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    transformer = _make_scaler(features, request)
    transformed = transformer.fit_transform(features)
    validation_features = transformer.transform(request.validation_features)
    defaults = {"hidden_layer_sizes": (128, 64), "learning_rate_init": 2e-3, "alpha": 1e-4}
    estimator = MLPClassifier if request.is_classification else MLPRegressor
    model = estimator(
        random_state=request.seed,
        batch_size=int(np.clip(len(features) // 50, 16, 256)),  # `transformed` may be sparse, which has no len()
        **{**defaults, **request.settings},
    )
    if request.is_classification:
        _fit_epochs(model, request, transformed, y, validation_features, request.validation_y)
        return TransformedModel(transformer, model)
    mean, scale = y.mean(), y.std() or 1.0
    validation_y = (request.validation_y - mean) / scale
    _fit_epochs(model, request, transformed, (y - mean) / scale, validation_features, validation_y)
    return TransformedModel(transformer, RescaledRegressor(model, mean, scale))


def _fit_epochs(
    model: Any,
    request: FitRequest,
    features: Any,
    y: np.ndarray,
    validation_features: Any,
    validation_y: np.ndarray,
) -> None:
    """Fit a perceptron epoch by epoch with a decaying learning rate, and restore the best weights."""
    initial_rate = model.learning_rate_init
    options = {"classes": np.unique(y)} if request.is_classification else {}
    best_loss, best_weights, epochs_since_best = np.inf, None, 0
    for epoch in range(MAX_EPOCHS):
        if epoch:
            model._optimizer.learning_rate_init = initial_rate * 0.97**epoch
        model.partial_fit(features, y, **options)
        loss = _validation_loss(model, request, validation_features, validation_y)
        epochs_since_best += 1
        if loss < best_loss:
            best_loss, epochs_since_best = loss, 0
            best_weights = [[layer.copy() for layer in layers] for layers in (model.coefs_, model.intercepts_)]
        if request.is_overdue or epochs_since_best >= EARLY_STOPPING_EPOCHS:
            break
    if best_weights is None:
        raise ValueError("the loss is not finite after the first epoch")
    model.coefs_, model.intercepts_ = best_weights
    del model._optimizer  # it is as large as the weights, and not needed to predict


FIT_FUNCTIONS: dict[str, Callable[[np.ndarray, np.ndarray, FitRequest], Any]] = {
    "lightgbm": lightgbm,
    "extra_trees": extra_trees,
    "catboost": catboost,
    "neural_network": neural_network,
    "xgboost": xgboost,
    "random_forest": random_forest,
    "linear": linear,
    "neighbours": neighbours,
    "gradient_boosting": gradient_boosting,
}
# Families that can be fitted on all rows, because they also return out-of-bag outputs to compare them on.
BAGGED_FIT_FUNCTIONS: dict[str, Callable[[np.ndarray, np.ndarray, FitRequest], tuple[Any, np.ndarray]]] = {
    "random_forest": bagged_random_forest,
}


def _make_scaler(features: np.ndarray, request: FitRequest) -> Any:
    """Return the transformer that `TableEncoder` uses for linear models, for features encoded for trees."""
    from lib.training.features.transformers import make_linear_transformer

    return make_linear_transformer(request.kinds, "passthrough", features, {})


def _validation_loss(model: Any, request: FitRequest, features: Any, y: np.ndarray) -> float:
    """Return log loss or mean squared error."""
    if not request.is_classification:
        return float(np.mean((model.predict(features) - y) ** 2))
    probabilities = np.clip(model.predict_proba(features), 1e-6, 1)
    return float(-np.log(probabilities[np.arange(len(y)), y]).mean())


def _task_of_rows(y: np.ndarray, request: FitRequest) -> str:
    """Return the task of these rows: a fold of a multiclass table may contain only two classes."""
    return request.task if request.task == "regression" or len(np.unique(y)) > 2 else "binary"
