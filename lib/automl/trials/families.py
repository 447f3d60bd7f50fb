"""Families of models.

A family is a function ``(F, y, fit) -> estimator`` on encoded features, fitted within ``fit.until``. Labels are 0, 1,
2, ... without a gap. Those that stop early look at the loss, whatever the metric is: by a ranking metric each fold
would stop at a scale of its own, and what folds say could not be compared.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.automl.trials.estimators import Chain, IntegerCodes, Rescaled
from lib.automl.trials.forests import bagged_random_forest, extra_trees, random_forest

PATIENCE = 40
LARGE_TABLE_CELLS = 150_000
MOST_NEIGHBOURS_ROWS = 60_000
EPOCHS = 150


@dataclass(frozen=True)
class Fit:
    """What a fit is told besides its rows.

    Attributes
    ----------
    task : str
    settings : dict
        Hyperparameters.
    rows : int
        That it learns from.
    F, y : ndarray
        Rows to watch while it learns, for those that stop early.
    kinds : sequence of str
        Of each feature: ``"category"``, ``"number"``, ``"text"`` or ``"date"``.
    seed : int
    until : float
        Of `time.monotonic`: from then on no further tree or epoch begins.
    """

    task: str
    settings: dict[str, Any]
    rows: int
    F: np.ndarray
    y: np.ndarray
    kinds: Sequence[str]
    seed: int
    until: float = field(default=float("inf"))

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.task != "regression"

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    @property
    def rate(self) -> float:
        """A learning rate: on a large table fewer and larger steps, which a short search has the time for."""
        return 0.05 if self.rows * len(self.kinds) < LARGE_TABLE_CELLS else 0.1

    @property
    def categories(self) -> list[int]:
        """Places of the categories."""
        return [place for place, kind in enumerate(self.kinds) if kind == "category"]


def lightgbm(F: np.ndarray, y: np.ndarray, fit: Fit) -> Any:
    """LightGBM, its categories as such."""
    import lightgbm as lgb

    def stop(env: Any) -> None:
        if fit.late:
            raise lgb.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    kind = lgb.LGBMClassifier if fit.is_classification else lgb.LGBMRegressor
    # Many-against-many cuts of a dozen levels fit a small table by heart.
    usual = {"n_estimators": 5000, "learning_rate": fit.rate, "max_cat_to_onehot": 16, "colsample_bytree": 0.7}
    settings = {**usual, **fit.settings}
    model = kind(random_state=fit.seed, n_jobs=1, verbosity=-1, subsample_freq=1, **settings)
    loss = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}
    model.fit(
        F,
        y,
        eval_X=fit.F,
        eval_y=fit.y,
        eval_metric=loss[_task(y, fit)],
        categorical_feature=fit.categories or "auto",
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False), stop],
    )
    return model


def xgboost(F: np.ndarray, y: np.ndarray, fit: Fit) -> Any:
    """XGBoost by histograms."""
    import xgboost as xgb

    class Stop(xgb.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return fit.late

    loss = {"binary": "logloss", "multiclass": "mlogloss", "regression": "rmse"}
    settings = {"n_estimators": 5000, "learning_rate": fit.rate, "max_depth": 6, **fit.settings}
    kind = xgb.XGBClassifier if fit.is_classification else xgb.XGBRegressor
    model = kind(
        random_state=fit.seed,
        n_jobs=1,
        early_stopping_rounds=PATIENCE,
        eval_metric=loss[_task(y, fit)],
        callbacks=[Stop()],
        **settings,
    )
    model.fit(F, y, eval_set=[(fit.F, fit.y)], verbose=False)
    model.set_params(callbacks=None)  # it names this call's time
    return model


def catboost(F: np.ndarray, y: np.ndarray, fit: Fit) -> Any:
    """CatBoost, its categories as such."""
    import catboost as cb

    class Stop:
        def after_iteration(self, info: Any) -> bool:
            return not fit.late

    loss = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}
    kind = cb.CatBoostClassifier if fit.is_classification else cb.CatBoostRegressor
    # Combinations of categories take several times as long, and add little.
    usual = {"iterations": 5000, "learning_rate": fit.rate, "max_ctr_complexity": 1, "one_hot_max_size": 16}
    settings = {**usual, **fit.settings}
    model = kind(
        random_seed=fit.seed,
        thread_count=1,
        allow_writing_files=False,
        verbose=False,
        loss_function=loss[_task(y, fit)],
        **settings,
    )
    codes = IntegerCodes(fit.categories)
    model.fit(
        codes.transform(F),
        y,
        cat_features=fit.categories,
        eval_set=(codes.transform(fit.F), fit.y),
        early_stopping_rounds=PATIENCE,
        use_best_model=True,
        callbacks=[Stop()],
    )
    return Chain(codes, model)


def gradient_boosting(F: np.ndarray, y: np.ndarray, fit: Fit) -> Any:
    """scikit-learn's histogram gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if fit.is_classification else HistGradientBoostingRegressor
    settings = {"learning_rate": 0.08, "max_features": 0.5, "l2_regularization": 1.0, **fit.settings}
    model = kind(random_state=fit.seed, early_stopping=False, warm_start=True, **settings)
    best, patience = (np.inf, 0), 3
    step = 20
    for rounds in range(step, 400 + step, step):
        model.set_params(max_iter=rounds).fit(F, y)
        loss = _loss(model, fit)
        best = min(best, (loss, rounds))
        if fit.late or rounds - best[1] >= patience * step:
            break
    model.set_params(warm_start=False, max_iter=best[1])
    model._predictors = model._predictors[: best[1]]
    return model


def linear(F: np.ndarray, y: np.ndarray, fit: Fit) -> Any:
    """Logistic or ridge regression on scaled and one-hot features."""
    from sklearn.linear_model import LogisticRegression, RidgeCV

    features = _scaled(F, fit)
    if fit.is_classification:
        model = LogisticRegression(C=fit.settings.get("C", 1.0), max_iter=500)
    else:
        model = RidgeCV(np.logspace(-2, 3, 12))
    return Chain(features, _settled(model, features.fit_transform(F), y))


def neighbours(F: np.ndarray, y: np.ndarray, fit: Fit) -> Any:
    """Nearest neighbours, the nearer the weightier."""
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if len(F) > MOST_NEIGHBOURS_ROWS:
        raise ValueError(f"nearest neighbours of more than {MOST_NEIGHBOURS_ROWS:,} rows take too long to look for")
    features = _scaled(F, fit)
    kind = KNeighborsClassifier if fit.is_classification else KNeighborsRegressor
    model = kind(weights="distance", **{"n_neighbors": 7, **fit.settings})
    return Chain(features, model.fit(features.fit_transform(F), y))


def neural_network(F: np.ndarray, y: np.ndarray, fit: Fit) -> Any:
    """A perceptron with the weights of its best epoch on the watched rows."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    features = _scaled(F, fit)
    X, watched = features.fit_transform(F), features.transform(fit.F)
    settings = {"hidden_layer_sizes": (128, 64), "learning_rate_init": 2e-3, "alpha": 1e-4, **fit.settings}
    kind = MLPClassifier if fit.is_classification else MLPRegressor
    batch = int(np.clip(len(F) // 50, 16, 256))  # of one-hot features there is a sparse matrix, which has no length
    model = kind(random_state=fit.seed, batch_size=batch, **settings)
    centre, scale = (0.0, 1.0) if fit.is_classification else (y.mean(), y.std() or 1.0)
    extra = {"classes": np.unique(y)} if fit.is_classification else {}
    best, kept, since = np.inf, None, 0
    for epoch in range(EPOCHS):
        if epoch:
            model._optimizer.learning_rate_init = settings["learning_rate_init"] * 0.97**epoch
        model.partial_fit(X, y if fit.is_classification else (y - centre) / scale, **extra)
        loss = _loss(model, fit, watched, (fit.y - centre) / scale if not fit.is_classification else None)
        since += 1
        if loss < best:
            best, since = loss, 0
            kept = [[part.copy() for part in parts] for parts in (model.coefs_, model.intercepts_)]
        if fit.late or since >= 12:
            break
    if kept is None:
        raise ValueError("its loss is no number after the first epoch")
    model.coefs_, model.intercepts_ = kept
    del model._optimizer  # as large as the weights, and of no use any more
    return Chain(features, model if fit.is_classification else Rescaled(model, centre, scale))


FITS: dict[str, Callable[[np.ndarray, np.ndarray, Fit], Any]] = {
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
# Those that need no rows beside those they learn from: they return what they say of each row without it, too.
BAGGED: dict[str, Callable[[np.ndarray, np.ndarray, Fit], tuple[Any, np.ndarray]]] = {
    "random_forest": bagged_random_forest,
}


def _scaled(F: np.ndarray, fit: Fit) -> Any:
    """What `TableEncoder` does for linear models, on features it has encoded for trees."""
    from lib.training.features.transformers import make_linear_transformer

    return make_linear_transformer(fit.kinds, "passthrough", F, {})


def _settled(model: Any, X: np.ndarray, y: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model that has not converged is judged by its score
        return model.fit(X, y)


def _loss(model: Any, fit: Fit, F: np.ndarray | None = None, y: np.ndarray | None = None) -> float:
    """Log loss or mean squared error on the watched rows."""
    F, y = fit.F if F is None else F, fit.y if y is None else y
    if not fit.is_classification:
        return float(np.mean((model.predict(F) - y) ** 2))
    probabilities = np.clip(model.predict_proba(F), 1e-6, 1)
    return float(-np.log(probabilities[np.arange(len(y)), y]).mean())


def _task(y: np.ndarray, fit: Fit) -> str:
    """Task that these rows pose: of a rare class a fold may have none."""
    return fit.task if fit.task == "regression" or len(np.unique(y)) > 2 else "binary"
