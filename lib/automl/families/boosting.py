"""Boosted trees: LightGBM, XGBoost, CatBoost and scikit-learn's histogram gradient boosting.

They stop early by the loss instead of the primary metric. With a ranking metric such as AUC, the predictions of the
models of different folds would have different scales, and could not be averaged or compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.automl.families.estimators import IntegerCategories, TransformedModel
from lib.automl.families.fit_request import FitRequest

_EARLY_STOPPING_ROUNDS = 40
# Limits of scikit-learn's histogram gradient boosting, which is fitted some rounds at a time (a step).
_MAX_ROUNDS, _ROUNDS_PER_STEP, _EARLY_STOPPING_STEPS = 400, 20, 3


def fit_lightgbm(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit LightGBM; it splits on categories without encoding them."""
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
        random_state=request.seed, n_jobs=1, verbosity=-1, subsample_freq=1, **{**defaults, **request.hyperparameters}
    )
    losses = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}
    model.fit(
        features,
        y,
        eval_X=request.validation_features,
        eval_y=request.validation_y,
        eval_metric=losses[request.find_task(y)],
        categorical_feature=request.categories or "auto",
        callbacks=[lgb.early_stopping(_EARLY_STOPPING_ROUNDS, verbose=False), stop_when_overdue],
    )
    return model


def fit_xgboost(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit XGBoost; category indices are treated as numbers."""
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
        early_stopping_rounds=_EARLY_STOPPING_ROUNDS,
        eval_metric=losses[request.find_task(y)],
        callbacks=[StopWhenOverdue()],
        **{**defaults, **request.hyperparameters},
    )
    model.fit(features, y, eval_set=[(request.validation_features, request.validation_y)], verbose=False)
    model.set_params(callbacks=None)  # a local class cannot be pickled
    return model


def fit_catboost(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit CatBoost; it encodes categories itself."""
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
        loss_function=losses[request.find_task(y)],
        **{**defaults, **request.hyperparameters},
    )
    transformer = IntegerCategories(request.categories)
    model.fit(
        transformer.transform(features),
        y,
        cat_features=request.categories,
        eval_set=(transformer.transform(request.validation_features), request.validation_y),
        early_stopping_rounds=_EARLY_STOPPING_ROUNDS,
        use_best_model=True,
        callbacks=[StopWhenOverdue()],
    )
    return TransformedModel(transformer, model)


def fit_gradient_boosting(features: np.ndarray, y: np.ndarray, request: FitRequest) -> Any:
    """Fit scikit-learn's histogram gradient boosting step by step, and keep the rounds up to the lowest loss."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    estimator = HistGradientBoostingClassifier if request.is_classification else HistGradientBoostingRegressor
    defaults = {"learning_rate": 0.08, "max_features": 0.5, "l2_regularization": 1.0}
    model = estimator(
        random_state=request.seed, early_stopping=False, warm_start=True, **{**defaults, **request.hyperparameters}
    )
    best_loss, best_rounds = np.inf, 0
    for rounds in range(_ROUNDS_PER_STEP, _MAX_ROUNDS + _ROUNDS_PER_STEP, _ROUNDS_PER_STEP):
        model.set_params(max_iter=rounds).fit(features, y)
        loss = request.compute_validation_loss(model, request.validation_features, request.validation_y)
        if loss < best_loss:
            best_loss, best_rounds = loss, rounds
        if request.is_overdue or rounds - best_rounds >= _EARLY_STOPPING_STEPS * _ROUNDS_PER_STEP:
            break
    model.set_params(warm_start=False, max_iter=best_rounds)
    model._predictors = model._predictors[:best_rounds]
    return model
