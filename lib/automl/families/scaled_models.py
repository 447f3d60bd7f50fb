"""Models that need scaled features: linear models, nearest neighbours and neural networks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from lib.automl.families.estimators import RescaledRegressor, TransformedModel
from lib.automl.families.fit_request import FitRequest

_MAX_NEIGHBOURS_ROWS = 60_000
_MAX_EPOCHS, _EARLY_STOPPING_EPOCHS = 150, 12


def fit_linear(features: np.ndarray, y: np.ndarray, request: FitRequest) -> TransformedModel:
    """Fit logistic or ridge regression on scaled and one-hot features."""
    from sklearn.linear_model import LogisticRegression, RidgeCV

    transformer = _make_scaler(features, request)
    if request.is_classification:
        model = LogisticRegression(C=request.hyperparameters.get("C", 1.0), max_iter=500)
    else:
        model = RidgeCV(np.logspace(-2, 3, 12))
    transformed = transformer.fit_transform(features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # if the model has not converged, its score will show it
        model.fit(transformed, y)
    return TransformedModel(transformer, model)


def fit_neighbours(features: np.ndarray, y: np.ndarray, request: FitRequest) -> TransformedModel:
    """Fit nearest neighbours, weighted by distance."""
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if len(features) > _MAX_NEIGHBOURS_ROWS:
        raise ValueError(f"nearest neighbours are too slow with more than {_MAX_NEIGHBOURS_ROWS:,} rows")
    transformer = _make_scaler(features, request)
    estimator = KNeighborsClassifier if request.is_classification else KNeighborsRegressor
    model = estimator(weights="distance", **{"n_neighbors": 7, **request.hyperparameters})
    return TransformedModel(transformer, model.fit(transformer.fit_transform(features), y))


def fit_neural_network(features: np.ndarray, y: np.ndarray, request: FitRequest) -> TransformedModel:
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
        **{**defaults, **request.hyperparameters},
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
    """Fit a perceptron epoch by epoch with a decaying learning rate, and restore the weights with the lowest loss."""
    initial_rate = model.learning_rate_init
    options = {"classes": np.unique(y)} if request.is_classification else {}
    best_loss, best_weights, epochs_since_best = np.inf, None, 0
    for epoch in range(_MAX_EPOCHS):
        if epoch:
            model._optimizer.learning_rate_init = initial_rate * 0.97**epoch
        model.partial_fit(features, y, **options)
        loss = request.compute_validation_loss(model, validation_features, validation_y)
        epochs_since_best += 1
        if loss < best_loss:
            best_loss, epochs_since_best = loss, 0
            best_weights = [[layer.copy() for layer in layers] for layers in (model.coefs_, model.intercepts_)]
        if request.is_overdue or epochs_since_best >= _EARLY_STOPPING_EPOCHS:
            break
    if best_weights is None:
        raise ValueError("the loss is not finite after the first epoch")
    model.coefs_, model.intercepts_ = best_weights
    del model._optimizer  # as large as the weights, and not needed for predictions


def _make_scaler(features: np.ndarray, request: FitRequest) -> Any:
    """Return an unfitted transformer that imputes and scales numbers, and encodes categories one-hot."""
    from lib.training.features.transformers import make_linear_transformer

    return make_linear_transformer(request.kinds, "passthrough", features, {})
