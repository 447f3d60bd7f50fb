"""The customer's features in training: a first step of the model that computes them from raw columns."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
from sklearn.pipeline import Pipeline

from lib import catalogue
from lib.errors import CodeError
from lib.scoring.feature_step import FeatureStep, FeatureStepError, are_equal, find_batch_dependence
from lib.training._custom_features import add_step, select_schema

if TYPE_CHECKING:
    from lib.backends.base import Backend

LOGGED_NAME = "features"  # the MLflow param of a run that trained a model with features
_PACKAGE, _KIND = "lib.features", "module of features"
_FUNCTION, _CLASS = "features", "Features"
_COMPARED_ROWS = 200


class FeatureHooks(Protocol):
    """The hook of a pipeline that names its features."""

    def features(self) -> str:
        """Return the name of a module in ``custom/features``; empty for none."""


def make_step(hooks: FeatureHooks) -> FeatureStep | None:
    """Return the unfitted step that computes a pipeline's features; None if the pipeline has none.

    Raises
    ------
    CodeError
        If the hook does not return a name, or if the module of this name cannot be used.
    NameNotFound
        If there is no such module.
    """
    name = _read_name(hooks)
    if not name:
        return None
    extension = catalogue.find_extension(_PACKAGE, name, _KIND)
    module = catalogue.load(_PACKAGE, name, _KIND)
    assert extension is not None, "Millrace itself has no features"
    if extension.attribute:
        return FeatureStep(name, getattr(module, extension.attribute))
    return FeatureStep(name, _find_feature(module, extension.origin))


def _read_name(hooks: FeatureHooks) -> str:
    """Return what the hook ``features`` returns; it may also be an attribute of the class."""
    hook: Any = hooks.features
    if callable(hook):
        parameters = inspect.signature(hook).parameters.values()
        if any(parameter.default is parameter.empty for parameter in parameters):
            raise CodeError(
                "The hook features has arguments, but features travel with the model, and a pipeline does not. Move "
                "the code to a function features(X) in custom/features/<name>.py, and let the hook return the name."
            )
        hook = hook()
    if not isinstance(hook, str):
        raise CodeError(f"The hook features returned {hook!r}; expected the name of a module in custom/features.")
    return hook


def _find_feature(module: ModuleType, origin: str) -> Any:
    """Return the function or the transformer that a module defines."""
    named = getattr(module, _FUNCTION, None) or getattr(module, _CLASS, None)
    if named is not None and (callable(named) or hasattr(named, "transform")):
        return named
    own = [
        value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]
    transformers = [value for value in own if hasattr(value, "fit") and hasattr(value, "transform")]
    functions = [value for value in own if inspect.isfunction(value)]
    candidates = transformers or functions
    if len(candidates) != 1:
        raise CodeError(
            f"{origin} defines neither a function features(X) nor a class Features with fit and transform. Define one "
            "of them: it gets the raw rows as a DataFrame, and returns a DataFrame with the columns to learn from."
        )
    return candidates[0]


def with_features(train: Callable[..., Any], step: FeatureStep | None) -> Callable[..., Any]:
    """Return a training function whose model computes the features from raw columns.

    Each call fits the features on the rows that it gets, so that the models of a cross-validation learn nothing from
    the rows that they predict.

    Parameters
    ----------
    train : callable
        ``train(X, y, request, **hyperparameters)``, which returns a fitted pipeline.
    step : FeatureStep or None
        None returns the function unchanged.
    """
    if step is None:
        return train

    @functools.wraps(train)
    def train_with_features(X: pd.DataFrame, y: pd.Series, request: Any, **hyperparameters: Any) -> Pipeline:
        features = fit_step(step, X, y)
        rows = features.transform(X)
        request = dataclasses.replace(request, schema=select_schema(request.schema, X, rows))
        return add_step(train(rows, y, request, **hyperparameters), features)

    return train_with_features


def fit_step(step: FeatureStep, X: pd.DataFrame, y: pd.Series) -> FeatureStep:
    """Return a copy of a step, fitted on training rows.

    Raises
    ------
    CodeError
        If the features cannot be computed.
    """
    with explained():
        return FeatureStep(step.name, step.feature).fit(X, y)


def check_rows_are_independent(step: FeatureStep, X: pd.DataFrame) -> None:
    """Refuse features whose value in a row depends on the other rows of the table.

    Parameters
    ----------
    step : FeatureStep
        Fitted.
    X : DataFrame of shape (rows, columns)
        Raw test rows.

    Raises
    ------
    CodeError
        If a feature depends on the batch; the message names it.
    """
    with explained():
        names = find_batch_dependence(step, X)
    if names:
        raise CodeError(
            f"custom/features/{step.name}.py: {', '.join(map(repr, names))} of a test row changes if the row is "
            "computed alone, as the endpoint does, instead of together with the others. Compute a feature from its own "
            "row, or make it a class Features that learns in fit, on the training rows, what it needs from other rows."
        )


def check_candidate(backend: Backend, run_id: str, X: pd.DataFrame) -> None:
    """Check the features of a candidate, if it has any, before it is promoted; see `check_parity`.

    Parameters
    ----------
    backend : Backend
    run_id : str
        The run that trained the candidate.
    X : DataFrame of shape (rows, columns)
        Raw test rows.
    """
    run = backend.tracking.candidate_run(run_id)
    if run.data.params.get(LOGGED_NAME):
        folder = backend.tracking.model_folder(*backend.tracking.model_source(run))
        check_parity(backend.tracking.load_model(folder), folder, X)


def check_parity(model: Any, folder: Path, X: pd.DataFrame) -> None:
    """Check that a model's features at the endpoint are those of the table, all at once and one row at a time.

    Parameters
    ----------
    model : estimator
        The model of a candidate.
    folder : Path
        Its model folder.
    X : DataFrame of shape (rows, columns)
        Raw test rows.

    Raises
    ------
    CodeError
        If a feature differs; the message names it.
    """
    step = find_step(model)
    if step is None:
        return
    from lib.scoring.cells import request_values
    from lib.scoring.model import read_model
    from lib.scoring.sklearn_model import make_frame

    check_rows_are_independent(step, X)
    rows = X.head(_COMPARED_ROWS)
    columns = read_model(folder).columns
    requests = make_frame({column.name: request_values(column, rows[column.name]) for column in columns}, columns)
    with explained():
        offline, served = step.transform(rows.reset_index(drop=True)), step.transform(requests)
    names = [name for name in offline.columns if not are_equal(offline[name], served[name])]
    if names:
        raise CodeError(
            f"custom/features/{step.name}.py: {', '.join(map(repr, names))} of test rows differs between the table and "
            "a request to the endpoint, which has numbers as floats, and null as None or NaN. Handle both alike."
        )


def find_step(model: Any) -> FeatureStep | None:
    """Return the step of a model that computes the customer's features; None if it has none."""
    first = model[0] if isinstance(model, Pipeline) and len(model) else None
    return first if isinstance(first, FeatureStep) else None


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn a `FeatureStepError` inside a ``with`` block into a `CodeError`."""
    try:
        yield
    except FeatureStepError as error:
        raise CodeError(str(error)) from error
