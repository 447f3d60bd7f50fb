"""Checks of training functions on a table with every kind of column."""

import ast
import inspect

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from lib import catalogue, training
from lib.errors import MillraceError, ParameterError
from tests.nasty_tables import as_request_rows, nasty_table, request_for

TASKS = ("binary", "multiclass", "regression")
_TRAINED_ROWS = 180


def find_faults(name):
    """Return a message for each promise of a training function that it does not keep.

    A function may refuse tasks with a ParameterError, but not all of them.
    """
    origin = catalogue.find_extension("lib.training", name, "training function").origin
    try:
        function = training.get(name)
    except MillraceError as error:
        return [str(error)]
    faults = _find_signature_faults(origin, function)
    if faults:
        return faults
    refusals = []
    for task in TASKS:
        try:
            faults += [f"{origin}, task {task}: {fault}" for fault in _find_task_faults(function, task)]
        except ParameterError as refusal:
            refusals.append(f"{task}: {refusal}")
    if len(refusals) == len(TASKS):
        faults.append(f"{origin}: train refuses every task ({'; '.join(refusals)}).")
    return faults


def _find_signature_faults(origin, function):
    """Return what is wrong with the arguments of a training function."""
    parameters = list(inspect.signature(function).parameters.values())
    if [parameter.name for parameter in parameters[:3]] != ["X", "y", "request"]:
        return [f"{origin}: {function.__name__} must start with the arguments X, y, request."]
    faults = []
    for parameter in parameters[3:]:
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            faults.append(f"{origin}: the hyperparameter {parameter.name} must come after a *, keyword-only.")
        elif parameter.default is inspect.Parameter.empty:
            faults.append(f"{origin}: the hyperparameter {parameter.name} needs a default.")
        elif not _is_literal(parameter.default):
            faults.append(f"{origin}: the default of {parameter.name} must be a number, a text, a list or the like.")
    return faults


def _is_literal(value):
    try:
        return ast.literal_eval(repr(value)) == value
    except (ValueError, SyntaxError):
        return False


def _find_task_faults(function, task):
    """Yield what is wrong with a training function for one task."""
    X, y = nasty_table(task)
    train_rows = X[:_TRAINED_ROWS].copy()
    try:
        model = function(train_rows, y[:_TRAINED_ROWS], request_for(task))
    except MillraceError:
        raise
    except Exception as error:
        yield (
            f"train raised {type(error).__name__}: {str(error)[:300]}. It gets raw columns: numbers, dates, texts and "
            "missing values. lib.training.fit_pipeline encodes them. To refuse a task, raise lib.errors.ParameterError."
        )
        return
    if not isinstance(model, Pipeline):
        yield f"train returned {type(model).__name__}; expected a fitted sklearn.pipeline.Pipeline."
        return
    if not train_rows.equals(X[:_TRAINED_ROWS]):
        yield "train changed the table X in place. Work on a copy: X.assign(...) or X.copy()."
    checks = (_check_output, _check_single_rows, _check_requests, _check_missing_values, _check_pickle, _check_seed)
    for check in checks:
        try:
            fault = check(function, model, X, y, task)
        except Exception as error:
            fault = f"{check.__doc__} raised {type(error).__name__}: {str(error)[:300]}."
        if fault:
            yield fault


def _predict(model, X, task):
    return np.asarray(model.predict(X) if task == "regression" else model.predict_proba(X), dtype=float)


def _check_output(function, model, X, y, task):
    """A prediction for the test rows"""
    test = X[_TRAINED_ROWS:]
    numbers = _predict(model, test, task)
    if len(numbers) != len(test) or not np.isfinite(numbers).all():
        return f"the model answers {len(test)} rows with {len(numbers)} predictions; expected as many finite numbers."
    if task == "regression":
        return ""
    labels = np.asarray(model.predict(test))
    if sorted(map(str, model.classes_)) != sorted(map(str, pd.unique(y[:_TRAINED_ROWS]))):
        return f"classes_ is {list(model.classes_)}; expected the classes of y."
    if list(np.asarray(model.classes_)[numbers.argmax(axis=1)]) != list(labels):
        return "predict does not return the most probable class of predict_proba."
    return ""


def _check_single_rows(function, model, X, y, task):
    """A prediction for one row at a time"""
    test = X[_TRAINED_ROWS : _TRAINED_ROWS + 5]
    together = _predict(model, test, task)
    single = np.concatenate([_predict(model, test.iloc[[row]], task) for row in range(len(test))])
    if np.allclose(together, single, rtol=1e-6):
        return ""
    return "the prediction of a row depends on the other rows. Learn in fit, and only apply what was learnt in predict."


def _check_requests(function, model, X, y, task):
    """A prediction for the rows of a request, with dates as text and null for missing values,"""
    test = X[_TRAINED_ROWS : _TRAINED_ROWS + 20]
    if np.allclose(_predict(model, as_request_rows(test), task), _predict(model, test, task), rtol=1e-6):
        return ""
    return "rows of a request get other predictions than rows of the table: in a request, dates are texts."


def _check_missing_values(function, model, X, y, task):
    """A prediction for a row without any value"""
    if np.isfinite(_predict(model, pd.DataFrame([dict.fromkeys(X.columns)]), task)).all():
        return ""
    return "a row without any value gets no finite prediction."


def _check_pickle(function, model, X, y, task):
    """Saving the model"""
    restored = cloudpickle.loads(cloudpickle.dumps(model))
    test = X[_TRAINED_ROWS:]
    if np.array_equal(_predict(restored, test, task), _predict(model, test, task)):
        return ""
    return "the saved model gives other predictions."


def _check_seed(function, model, X, y, task):
    """Training again with the same seed"""
    again = function(X[:_TRAINED_ROWS], y[:_TRAINED_ROWS], request_for(task))
    test = X[_TRAINED_ROWS:]
    if np.allclose(_predict(again, test, task), _predict(model, test, task), rtol=1e-9):
        return ""
    return "training again gives another model. Pass request.seed as random_state."
