"""Errors of training functions and features, told in terms of the parameter or the table at fault."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sklearn.utils._param_validation import InvalidParameterError

from lib.errors import CodeError, DataError, ParameterError
from lib.scoring.feature_step import FeatureStepError
from lib.training.features import FeatureError

if TYPE_CHECKING:
    from lib.parameters import Parameters


@contextlib.contextmanager
def explain_errors(parameters: Parameters) -> Iterator[None]:
    """Turn errors of a training function into errors that name the parameter or the table at fault."""
    try:
        yield
    except InvalidParameterError as error:
        raise ParameterError(f"hyperparameters: {parameters.training_function}: {error}") from error
    except FeatureStepError as error:
        raise CodeError(str(error)) from error
    except FeatureError as error:
        raise DataError(f"{parameters.train_data}: {error}") from error
